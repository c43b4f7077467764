//! Webhooks prove themselves: what is not signed by a sender that knows the secret never reaches the log.

use reqwest::RequestBuilder;
use serde_json::Value;

use crate::program::{Program, until};

const LISTEN: &str = "127.0.0.1:18776";
const BODY: &str = "Hello, World!";
/// The example of GitHub's documentation, for `BODY`.
const SECRET: &str = "It's a Secret to Everybody";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

async fn sent(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[test]
fn an_unsigned_webhook_is_refused_and_never_kept() {
    let folder = std::env::temp_dir().join(format!("kgroot-senders-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (secret, file) = (folder.join("secret"), folder.join("senders.yaml"));
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let families = ["github-cicd", "otel", "prometheus"];
    let lines = families.map(|family| format!("  {family}: ${{file:{}}}\n", secret.display()));
    std::fs::write(&file, format!("shop:\n{}", lines.concat())).unwrap();
    let set =
        [format!("data={}", folder.join("data").display()), format!("server.senders={}", file.display())];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let program = Program::run(LISTEN, &set);
        until("the program answers", async || program.get("/openapi.json").await).await;
        let post = |path: &str| {
            reqwest::Client::new().post(program.url(&format!("/api/v1/ingest/{path}?tenant_id=shop")))
        };
        let (status, problem) = sent(post("github-cicd").body(BODY)).await;
        assert_eq!((status, problem["code"].as_str()), (401, Some("sender_unproven")), "{problem}");
        for path in ["otel/v1/logs", "prometheus/write"] {
            assert_eq!(sent(post(path).body(BODY)).await.0, 401, "{path}");
            assert_eq!(sent(post(path).bearer_auth(SECRET).body(BODY)).await.0, 415, "{path}");
        }
        let signed = post("github-cicd").header("x-hub-signature-256", SIGNATURE).body(BODY);
        assert_eq!(sent(signed).await.0, 202);
        let other = post("github-cicd").header("x-hub-signature-256", SIGNATURE).body("Hello, World?");
        assert_eq!(sent(other).await.0, 401);
        let asked = r#"{"token": "x", "type": "url_verification", "challenge": "3eZbrw1aB"}"#;
        let (status, answer) = sent(post("slack-incidents").body(asked)).await;
        assert_eq!((status, answer["challenge"].as_str()), (200, Some("3eZbrw1aB")), "{answer}");
        // The one record that was taken is no document of GitHub: it is refused after the log, as any other.
        until("the one record is counted", async || {
            (program.counts("shop").await == (0, 0, 1)).then_some(())
        })
        .await;
    });
    std::fs::remove_dir_all(folder).unwrap();
}
