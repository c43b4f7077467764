//! `accuracy DATASET FOLDER --predictions FILE`: predicts every case of an unpacked data set.
//!
//! Reads inputs only; scoring with labels is another program's business.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bench::importers::{Prediction, cloudopsbench, measured};

const USAGE: &str = "usage: accuracy cloudopsbench|microirc|petshop|sockshop FOLDER --predictions FILE";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dataset, folder, flag, predictions] = arguments.as_slice() else { bail!(USAGE) };
    if flag != "--predictions" {
        bail!(USAGE);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (folder, predictions) = (PathBuf::from(folder), PathBuf::from(predictions));
    runtime.block_on(run(dataset, folder, predictions))
}

async fn run(dataset: &str, folder: PathBuf, predictions: PathBuf) -> Result<()> {
    let mut out = Out::create(&predictions)?;
    match dataset {
        "cloudopsbench" => {
            for case in &cloudopsbench::cases(&folder)? {
                out.write(cloudopsbench::predict(&folder, case).await?)?;
            }
        }
        "microirc" | "petshop" | "sockshop" => {
            for case in &measured::cases(&folder)? {
                out.write(measured::predict(dataset, &folder, case).await?)?;
            }
        }
        other => bail!("unknown data set {other:?}; {USAGE}"),
    }
    out.finish()
}

/// The predictions file, and what was refused on the way.
struct Out {
    file: std::io::BufWriter<std::fs::File>,
    cases: u64,
    refused: BTreeMap<String, u64>,
}

impl Out {
    fn create(path: &std::path::Path) -> Result<Self> {
        let file = std::fs::File::create(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Out { file: std::io::BufWriter::new(file), cases: 0, refused: BTreeMap::new() })
    }

    fn write(&mut self, (prediction, rejects): (Prediction, Vec<String>)) -> Result<()> {
        for reject in rejects {
            *self.refused.entry(reject).or_default() += 1;
        }
        self.cases += 1;
        serde_json::to_writer(&mut self.file, &prediction)?;
        Ok(self.file.write_all(b"\n")?)
    }

    fn finish(mut self) -> Result<()> {
        self.file.flush()?;
        eprintln!("{} cases predicted, {} records refused", self.cases, self.refused.values().sum::<u64>());
        for (reason, count) in self.refused {
            eprintln!("  {count} x {reason}");
        }
        Ok(())
    }
}
