//! The URLs that are viewed: about fifty bytes each, some of them awkward for CSV.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::dataset::Quirks;

const SECTIONS: [&str; 6] = ["products", "articles", "reviews", "guides", "offers", "support"];
const QUALITIES: [&str; 8] = ["blue", "copper", "folding", "gentle", "northern", "quiet", "solid", "woven"];
const THINGS: [&str; 8] = ["basket", "blanket", "compass", "kettle", "lantern", "notebook", "saddle", "teapot"];
const FOREIGN: [&str; 6] =
    ["größe/süß", "produits/été-à-noël", "製品/青いやかん", "товары/чайник", "ürünler/çaydanlık", "🫖/☕"];

/// The URLs by rank, as they stand in a CSV file (quoted where they must be).
#[derive(Debug)]
pub(super) struct Urls {
    fields: Vec<Vec<u8>>,
}

impl Urls {
    /// `count` distinct URLs. Awkward ones are spread evenly over the ranks.
    pub(super) fn new(count: u32, seed: u64, quirks: &Quirks) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x7572_6c73);
        let fields = (0..count)
            .map(|rank| {
                let dice = random.next_u64();
                let url = if due(rank, quirks.quoted) {
                    let (quality, thing) = (pick(&QUALITIES, dice), pick(&THINGS, dice >> 8));
                    format!("https://shop.example.com/search?q=\"{quality} {thing}\",new-{rank:05}")
                } else if due(rank + 1, quirks.non_ascii) {
                    format!("https://shop.example.com/{}-{rank:05}", pick(&FOREIGN, dice))
                } else {
                    let (section, quality) = (pick(&SECTIONS, dice), pick(&QUALITIES, dice >> 8));
                    format!("https://shop.example.com/{section}/{quality}-{}-{rank:05}", pick(&THINGS, dice >> 16))
                };
                csv_field(&url).into_bytes()
            })
            .collect();
        Self { fields }
    }

    /// The CSV field of the URL with this rank.
    pub(super) fn field(&self, rank: usize) -> &[u8] {
        &self.fields[rank]
    }
}

/// Whether the share of ranks grows by a whole one at `rank`: `share` of all ranks are due, evenly spread.
fn due(rank: u32, share: f64) -> bool {
    ((f64::from(rank) + 1.0) * share).floor() > (f64::from(rank) * share).floor()
}

fn pick<'a>(words: &[&'a str], dice: u64) -> &'a str {
    let index = usize::try_from(dice & 0xff).unwrap_or(0);
    words[index % words.len()]
}

/// A value as a CSV field: quoted when it holds a comma or a quotation mark.
pub(super) fn csv_field(value: &str) -> String {
    if value.contains([',', '"', '\n']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Quirks, Urls};

    #[test]
    fn urls_are_distinct_and_as_awkward_as_asked() {
        let quirks = Quirks { quoted: 0.1, non_ascii: 0.05, ..Quirks::default() };
        let urls = Urls::new(1000, 1, &quirks);
        let mut fields = urls.fields.clone();
        fields.sort();
        fields.dedup();
        assert_eq!(fields.len(), 1000);
        assert_eq!(fields.iter().filter(|field| field[0] == b'"').count(), 100);
        let foreign = fields.iter().filter(|field| !field.is_ascii()).count();
        assert!((40..=50).contains(&foreign), "{foreign}");
    }
}
