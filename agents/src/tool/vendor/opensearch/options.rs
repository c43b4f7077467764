//! Where logs are, and which field says what.

use serde::Deserialize;

/// What configuration says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Indices of logs, with `*` for any end: `logs-*`.
    pub index: String,
    /// Which field says what.
    pub fields: Fields,
    /// Levels of an error, as they stand in the field of the level.
    pub error_levels: Vec<String>,
    /// Words of an error, where no field says the level.
    pub error_words: Vec<String>,
}

/// Which field says what. Fields of names and of the level are keywords.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// When.
    pub time: String,
    /// What.
    pub message: String,
    /// How severe, if a field says it.
    pub level: Option<String>,
    /// Namespace.
    pub namespace: String,
    /// Service.
    pub service: String,
    /// Pod.
    pub pod: String,
}

impl Default for Options {
    fn default() -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Options {
            index: "logs-*".to_owned(),
            fields: Fields::default(),
            error_levels: owned(&["error", "ERROR", "Error", "fatal", "FATAL", "critical", "CRITICAL"]),
            error_words: owned(&["error", "exception", "fatal", "panic"]),
        }
    }
}

impl Default for Fields {
    fn default() -> Self {
        Fields {
            time: "@timestamp".to_owned(),
            message: "message".to_owned(),
            level: Some("level".to_owned()),
            namespace: "kubernetes.namespace".to_owned(),
            service: "service".to_owned(),
            pod: "kubernetes.pod".to_owned(),
        }
    }
}

impl Fields {
    /// The fields of namespace, service and pod.
    pub(super) fn of_entity(&self) -> [&str; 3] {
        [&self.namespace, &self.service, &self.pod]
    }

    /// The fields that are read.
    pub(super) fn shown(&self) -> Vec<&str> {
        let mut shown = vec![&*self.time, &self.message, &self.namespace, &self.service, &self.pod];
        shown.extend(self.level.as_deref());
        shown
    }
}

impl Options {
    /// Checks that nothing reaches beyond plain indices and fields.
    pub(super) fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.*".contains(c);
        let starts = self.index.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !starts || 200 < self.index.len() || !self.index.chars().all(plain) || self.index.contains("..") {
            return Err(format!("index {:?} is not a pattern of indices such as logs-*", self.index));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        let fits = |field: &str| !field.is_empty() && field.len() <= 200 && field.chars().all(plain);
        if let Some(field) = self.fields.shown().into_iter().find(|field| !fits(field)) {
            return Err(format!("fields: {field:?} is not the name of a field"));
        }
        let words = if self.fields.level.is_some() { &self.error_levels } else { &self.error_words };
        if words.is_empty() { Err("error_levels or error_words: none is named".to_owned()) } else { Ok(()) }
    }
}
