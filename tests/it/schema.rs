//! `kgroot schema` against a real registry. Servers as in `kafka.rs`.

use std::process::{Command, Output};

use crate::program::{root, variable};

fn kgroot(arguments: &[&str]) -> Output {
    Command::new(tests::binary::binary().unwrap()).args(arguments).current_dir(root()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_schema_is_registered_once_every_version_can_read_every_other() {
    let Some(registry) = variable("KGROOT_TEST_REGISTRY") else {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: schemas in a real registry, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    let first = kgroot(&["schema", "register", "--registry", &registry]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let built_in = text(&kgroot(&["schema", "show"]).stdout);
    let with = |field: &str| built_in.replacen("\"fields\": [", &format!("\"fields\": [{field},"), 1);
    let file = std::env::temp_dir().join(format!("kgroot-schema-{}.avsc", std::process::id()));
    let tried = |schema: String, action: &str| {
        std::fs::write(&file, schema).unwrap();
        kgroot(&["schema", action, "--registry", &registry, "--file", file.to_str().unwrap()])
    };
    let optional = with(r#"{"name": "region", "type": ["null", "string"], "default": null}"#);
    let later = tried(optional.clone(), "check");
    assert!(later.status.success(), "{}", text(&later.stderr));
    assert!(text(&later.stdout).contains("compatible with all versions"), "{}", text(&later.stdout));
    assert!(tried(optional, "register").status.success());
    // Older producers could not be read by those who have this one.
    let demanded = tried(with(r#"{"name": "zone", "type": "string"}"#), "register");
    assert_eq!(demanded.status.code(), Some(1));
    assert!(text(&demanded.stderr).contains("not compatible"), "{}", text(&demanded.stderr));
    // This kgroot could not read it.
    let lacking = tried(built_in.replace("\"payload\"", "\"body\""), "check");
    assert_eq!(lacking.status.code(), Some(1));
    assert!(text(&lacking.stderr).contains("keep every field"), "{}", text(&lacking.stderr));
    std::fs::remove_file(file).unwrap();
    let nobody = kgroot(&["schema", "check", "--registry", "http://127.0.0.1:9"]);
    assert_eq!(nobody.status.code(), Some(69));
}
