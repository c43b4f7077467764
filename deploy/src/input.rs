//! Input of a replay: files, folders, standard input, and recordings.
//!
//! A recording is lines of `{"topic","at","format","record"}`: what arrived on which topic, when.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;
use schemas::codec::{Format, RECORD_BYTES_MAX, detect};
use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exit::{Cause, Failure};

/// One record to replay.
#[derive(Debug)]
pub struct Record {
    /// Topic or file.
    pub name: String,
    /// Line or document of it.
    pub offset: i64,
    /// How it is encoded; `None` when it could not be told.
    pub format: Option<Format>,
    /// When it arrived.
    pub arrived: EventTime,
    /// The bytes.
    pub bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Recorded<'a> {
    topic: String,
    at: EventTime,
    format: Format,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// All records of some paths, in order.
pub fn read(paths: &[PathBuf], format: Option<Format>) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin()
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::of(Cause::Input, format!("standard input: {error}")))?;
            split("-", &bytes, format, now(), &mut records);
            continue;
        }
        let mut files = Vec::new();
        collect(path, &mut files)?;
        if files.is_empty() {
            return Err(Failure::of(
                Cause::Input,
                format!("{}: no files in the folder; name one that holds events", path.display()),
            ));
        }
        for file in files {
            read_file(&file, format, &mut records)?;
        }
    }
    Ok(records)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = |error: std::io::Error| {
        Failure::of(Cause::Input, format!("{}: {error}; check the path", path.display()))
    };
    if std::fs::metadata(path).map_err(unreadable)?.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries: Result<Vec<_>, _> = std::fs::read_dir(path).map_err(unreadable)?.collect();
    let mut children: Vec<PathBuf> =
        entries.map_err(unreadable)?.into_iter().map(|entry| entry.path()).collect();
    children.sort();
    children.iter().try_for_each(|child| collect(child, files))
}

fn read_file(path: &Path, format: Option<Format>, records: &mut Vec<Record>) -> Result<()> {
    let unreadable =
        |error: std::io::Error| Failure::of(Cause::Input, format!("{}: {error}", path.display()));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if u64::try_from(RECORD_BYTES_MAX).is_ok_and(|limit| limit * 16 < metadata.len()) {
        return Err(Failure::of(
            Cause::Input,
            format!("{}: {} bytes; split it", path.display(), metadata.len()),
        ));
    }
    let written = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let written = written
        .and_then(|age| i64::try_from(age.as_millis()).ok())
        .and_then(|ms| EventTime::from_ms(ms).ok());
    let bytes = std::fs::read(path).map_err(unreadable)?;
    split(&path.display().to_string(), &bytes, format, written.unwrap_or_else(now), records);
    Ok(())
}

/// One document, or one per line; lines of a recording carry their own format and time.
pub fn split(
    name: &str,
    bytes: &[u8],
    format: Option<Format>,
    arrived: EventTime,
    records: &mut Vec<Record>,
) {
    let whole = || Record {
        name: name.to_owned(),
        offset: 0,
        format: format.or_else(|| detect(bytes)),
        arrived,
        bytes: bytes.to_owned(),
    };
    let first =
        bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let by_line = serde_json::from_slice::<&RawValue>(first).is_ok()
        && first.trim_ascii().len() < bytes.trim_ascii().len();
    if !by_line {
        match serde_json::from_slice::<Recorded<'_>>(bytes) {
            Ok(recorded) => records.push(recorded_as(&recorded, 0)),
            Err(_) => records.push(whole()),
        }
        return;
    }
    for (offset, line) in (0i64..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        records.push(match serde_json::from_slice::<Recorded<'_>>(line) {
            Ok(recorded) => recorded_as(&recorded, offset),
            Err(_) => Record {
                name: name.to_owned(),
                offset,
                format: format.or_else(|| detect(line)),
                arrived,
                bytes: line.to_owned(),
            },
        });
    }
}

fn recorded_as(recorded: &Recorded<'_>, offset: i64) -> Record {
    let bytes = recorded.record.get().as_bytes().to_owned();
    Record {
        name: recorded.topic.clone(),
        offset,
        format: Some(recorded.format),
        arrived: recorded.at,
        bytes,
    }
}

/// The wall clock, as the arrival time of what carries none.
pub fn now() -> EventTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
