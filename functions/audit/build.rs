//! Makes the list of checks from the files in `sql/`: to add a check is to add a file.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=sql");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("sql");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".sql").map(str::to_owned));
    }
    names.sort_unstable();
    // The folder is named when the function is compiled, not here: another clone may share what this makes.
    let check = |name: &String| {
        format!("    sql::trino({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/sql/{name}.sql\"))),\n")
    };
    let list = ["&[\n", &names.iter().map(check).collect::<String>(), "]\n"].concat();
    Ok(fs::write(Path::new(&env::var("OUT_DIR")?).join("checks.rs"), list)?)
}
