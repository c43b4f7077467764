//! `accuracy DATASET FOLDER --predictions FILE`: predicts every case of an unpacked data set.
//!
//! Reads inputs only; scoring with labels is another program's business.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bench::importers::{Prediction, cases, changerca, cloudopsbench, measured, nab, nezha, opensre};
use serde::Serialize;

const USAGE: &str = "usage: accuracy cloudopsbench|nezha|changerca|microirc|petshop|sockshop|opensre|nab FOLDER --predictions FILE";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dataset, folder, flag, predictions] = arguments.as_slice() else { bail!(USAGE) };
    if flag != "--predictions" {
        bail!(USAGE);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(dataset, &PathBuf::from(folder), PathBuf::from(predictions)))
}

async fn run(dataset: &str, folder: &Path, predictions: PathBuf) -> Result<()> {
    let mut out = Out::create(&predictions)?;
    match dataset {
        "cloudopsbench" => {
            for case in cases(folder)? {
                out.write(cloudopsbench::predict(folder, &case).await?)?;
            }
        }
        "changerca" => {
            for case in cases(folder)? {
                out.write(changerca::predict(folder, &case).await?)?;
            }
        }
        "nezha" => {
            for prediction in nezha::predict(folder, &cases(folder)?).await? {
                out.write(prediction)?;
            }
        }
        "microirc" | "petshop" | "sockshop" => {
            for case in &cases(folder)? {
                out.write(measured::predict(dataset, folder, case).await?)?;
            }
        }
        "opensre" => {
            for case in cases(folder)? {
                out.write(opensre::predict(folder, &case).await?)?;
            }
        }
        "nab" => {
            for case in cases(folder)? {
                out.line(&nab::predict(folder, &case).await?)?;
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
    fn create(path: &Path) -> Result<Self> {
        let file = std::fs::File::create(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Out { file: std::io::BufWriter::new(file), cases: 0, refused: BTreeMap::new() })
    }

    fn write(&mut self, (prediction, rejects): (Prediction, Vec<String>)) -> Result<()> {
        for reject in rejects {
            *self.refused.entry(reject).or_default() += 1;
        }
        self.line(&prediction)
    }

    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        self.cases += 1;
        serde_json::to_writer(&mut self.file, line)?;
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
