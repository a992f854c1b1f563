//! [`Reader`]: a client that queries the output all the time. Every answer must be one complete version, and never an older
//! one than it saw before.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pageviews::recompute::DailyViews;
use tests::Cloud;
use tokio::task::JoinSet;

/// What is asked.
const QUERY: &str = "select count(*), coalesce(sum(view_count), 0) from pageviews_daily";

/// Clients that query while runs go on. They are the operator, whom no fault hits.
pub struct Reader {
    expected: Arc<Mutex<Vec<(usize, u64)>>>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
    clients: JoinSet<()>,
}

impl Reader {
    /// Begins to read: `clients` at once, each with `pause` between its queries. The output must be there.
    pub fn start(cloud: &Cloud, now: &DailyViews, clients: usize, pause: Duration) -> Self {
        let expected = Arc::new(Mutex::new(vec![(now.rows(), now.views())]));
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut reader = Self { expected, stop, asked, clients: JoinSet::new() };
        for _ in 0..clients {
            let athena = aws_sdk_athena::Client::new(&cloud.config);
            let (expected, stop, asked) =
                (Arc::clone(&reader.expected), Arc::clone(&reader.stop), Arc::clone(&reader.asked));
            reader.clients.spawn(async move {
                let mut newest = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answer = tests::query(&athena, QUERY).await;
                    let answer = answer.unwrap_or_else(|reason| panic!("a reader's query fails: {reason}"));
                    newest = version_of(&answer, &expected, newest);
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(pause).await;
                }
            });
        }
        reader
    }

    /// Another version may be published from now on.
    pub fn expect(&self, next: &DailyViews) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).push((next.rows(), next.views()));
    }

    /// Ends reading; gives the number of queries. Panics if an answer was wrong.
    pub async fn stop(mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            if let Err(error) = ended {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        self.asked.load(Ordering::Relaxed)
    }
}

/// The newest version that an answer can be; it must not be older than `newest`.
fn version_of(answer: &[tests::Row], expected: &Mutex<Vec<(usize, u64)>>, newest: usize) -> usize {
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
    let [row] = answer else { panic!("a reader's query answers {answer:?}") };
    let [Some(rows), Some(views)] = row.iter().map(number).collect::<Vec<_>>()[..] else { panic!("{row:?}") };
    let expected = expected.lock().unwrap_or_else(PoisonError::into_inner);
    let version = expected.iter().rposition(|one| (one.0 as u64, one.1) == (rows, views));
    let version = version.unwrap_or_else(|| panic!("{rows} rows with {views} views are no version of {expected:?}"));
    assert!(version >= newest, "version {version} of {expected:?} came after version {newest}");
    version
}
