//! Tests of `config`.

use super::*;

fn overlaid(yaml: &str) -> Result<Config, String> {
    let mut merged = serde_json::to_value(Config::default()).unwrap();
    overlay(&mut merged, serde_saphyr::from_str(yaml).unwrap(), "")?;
    serde_json::from_value(merged).map_err(|error| error.to_string())
}

#[test]
fn a_typo_names_the_nearest_key() {
    assert_eq!(
        overlaid("engine:\n  horizn: 2h\n").unwrap_err(),
        "unknown key engine.horizn; did you mean horizon?"
    );
}

#[test]
fn a_file_overrides_only_what_it_names() {
    let config = overlaid("engine:\n  workers: 2\n").unwrap();
    assert_eq!((config.engine.workers, config.engine.gap.as_str()), (2, "10m"));
}

#[test]
fn a_key_set_from_text_keeps_its_type() {
    let mut config = serde_json::to_value(Config::default()).unwrap();
    assign(&mut config, "engine.workers", "4").unwrap();
    assign(&mut config, "kafka.tenants", "a, b").unwrap();
    assert_eq!(
        (config["engine"]["workers"].as_u64(), config["kafka"]["tenants"][1].as_str()),
        (Some(4), Some("b"))
    );
    assert!(assign(&mut config, "engine.workers", "many").is_err());
    assign(&mut config, "model.allow_private", "true").unwrap();
    assign(&mut config, "model.usd_per_day", "0.5").unwrap();
    assign(&mut config, "model.usd_per_million_tokens.input", "0").unwrap();
    assert!(assign(&mut config, "model.usd_per_million_tokens.input", "free").is_err());
    let config: Config = serde_json::from_value(config).unwrap();
    assert!(config.model.allow_private && config.model.usd_per_day < 1.0);
    assert_eq!(config.model.usd_per_million_tokens.input, Some(0.0));
}
