//! Measurements: accuracy on recorded incidents, scenarios whose truth is known, load.
//!
//! An importer is the only place that knows how a data set is laid out. It turns recorded files into the records that
//! production would have sent and feeds the same codecs, engine and investigation. No importer opens a label file.

pub mod calibration;
pub mod curves;
pub mod generated;
pub mod importers;
#[cfg(feature = "stores")]
pub mod live;
pub mod load;
pub mod peers;
pub mod scenario;
#[cfg(feature = "stores")]
pub mod stores;
