//! `accuracy DATASET FOLDER --predictions FILE`: predicts every case of an unpacked data set.
//!
//! Reads inputs only; scoring with labels is another program's business.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bench::importers::cloudopsbench;

const USAGE: &str = "usage: accuracy cloudopsbench FOLDER --predictions FILE";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dataset, folder, flag, predictions] = arguments.as_slice() else { bail!(USAGE) };
    if flag != "--predictions" {
        bail!(USAGE);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match dataset.as_str() {
        "cloudopsbench" => runtime.block_on(run(PathBuf::from(folder), PathBuf::from(predictions))),
        other => bail!("unknown data set {other:?}; known: cloudopsbench"),
    }
}

async fn run(folder: PathBuf, predictions: PathBuf) -> Result<()> {
    let cases = cloudopsbench::cases(&folder)?;
    let file =
        std::fs::File::create(&predictions).with_context(|| format!("create {}", predictions.display()))?;
    let mut out = std::io::BufWriter::new(file);
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for case in &cases {
        let (prediction, rejects) = cloudopsbench::predict(&folder, case).await?;
        for reject in rejects {
            *refused.entry(reject).or_default() += 1;
        }
        serde_json::to_writer(&mut out, &prediction)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    eprintln!("{} cases predicted, {} records refused", cases.len(), refused.values().sum::<u64>());
    for (reason, count) in refused {
        eprintln!("  {count} x {reason}");
    }
    Ok(())
}
