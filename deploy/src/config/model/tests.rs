//! Tests of `config::model`.

use super::*;

fn section(input: Option<f64>, output: Option<f64>, embedding: Option<f64>) -> ModelSection {
    ModelSection {
        usd_per_million_tokens: PriceSection { input, output, embedding },
        ..ModelSection::default()
    }
}

fn configured(key: &str, tools: &str) -> Config {
    let mut config = Config::default();
    config.agents.tools = tools.to_owned();
    config.model = ModelSection {
        url: "http://127.0.0.1:9/v1".to_owned(),
        name: "own-llama".to_owned(),
        embedding: "own-vectors".to_owned(),
        allow_private: true,
        key: key.to_owned(),
        ..section(Some(0.0), Some(0.15), Some(0.02))
    };
    config
}

#[tokio::test]
async fn an_own_model_costs_what_is_said() {
    let config = configured("", "");
    config.model.check().unwrap();
    let voice = format!("{:?}", config.voice().await.unwrap());
    assert!(voice.contains("price: Price { input: 0, output: 150000 }"), "{voice}");
    let embedder = format!("{:?}", config.embedder().await.unwrap());
    assert!(embedder.contains("price: Price { input: 20000, output: 0 }"), "{embedder}");
}

#[test]
fn prices_that_cannot_be_meant_name_their_key() {
    for (input, output, embedding, key) in [
        (Some(1.0), None, None, "output: is missing beside input"),
        (None, Some(1.0), None, "input: is missing beside output"),
        (Some(-1.0), Some(1.0), None, "input: is -1"),
        (Some(1.0), Some(f64::NAN), None, "output: is NaN"),
        (None, None, Some(1e5), "embedding: is 100000"),
    ] {
        let problem = section(input, output, embedding).check().unwrap_err().to_string();
        assert!(problem.starts_with("model.usd_per_million_tokens.") && problem.contains(key), "{problem}");
    }
    section(None, None, None).check().unwrap();
}

#[tokio::test]
async fn the_key_may_be_in_the_vault_of_the_tools() {
    let problem = configured("${vault:kv/model#key}", "").voice().await.unwrap_err().to_string();
    assert!(problem.contains("vault is not configured"), "{problem}");
    let vault = axum::Router::new().route(
        "/v1/kv/data/model",
        axum::routing::get(async || axum::Json(serde_json::json!({ "data": { "data": { "key": "k-1" } } }))),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = async { axum::serve(listener, vault).await.unwrap() };
    let tools = std::env::temp_dir().join(format!("kgroot-vault-{}.yaml", std::process::id()));
    std::fs::write(&tools, format!("vault: {{url: 'http://{address}', token: t}}\nconnections: []\n"))
        .unwrap();
    let config = configured("${vault:kv/model#key}", tools.to_str().unwrap());
    tokio::select! {
        voice = config.voice() => assert!(format!("{voice:?}").contains("own-llama")),
        () = served => unreachable!("serves for ever"),
    }
    std::fs::remove_file(tools).unwrap();
}
