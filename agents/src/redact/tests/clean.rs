//! Lines as production writes them, without secrets in them.

use super::random::{BASE62, HEX, Random};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const SERVICES: [&str; 8] =
    ["checkout", "payments", "cart", "auth", "token-service", "secrets-operator", "search", "keycloak"];

fn uuid(random: &mut Random) -> String {
    let parts = [8, 4, 4, 4, 12].map(|length| random.letters(HEX, length));
    parts.join("-")
}

fn pod(random: &mut Random) -> String {
    format!("{}-{}-{}", random.pick(&SERVICES), random.letters(LOWER, 10), random.letters(LOWER, 5))
}

fn ip(random: &mut Random) -> String {
    format!("10.{}.{}.{}", random.below(256), random.below(256), random.below(256))
}

pub(super) fn line(seed: u64) -> String {
    let mut random = Random::new(seed + 1_000_000);
    let r = &mut random;
    let service = r.pick(&SERVICES);
    let time = format!(
        "2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        1 + r.below(28),
        r.below(24),
        r.below(60),
        r.below(60),
        r.below(1_000)
    );
    let number = r.below(1_000_000);
    match r.below(30) {
        0 => format!("{time} INFO request_id={} path=/api/v1/{service} status=200 ms={number}", uuid(r)),
        1 => format!("{time} commit {} by build-{number} merged into main", r.letters(HEX, 40)),
        2 => format!(
            "Successfully pulled image \"registry.example/{service}@sha256:{}\" in {number}ms",
            r.letters(HEX, 64)
        ),
        3 => format!("Back-off restarting failed container {service} in pod {}_prod({})", pod(r), uuid(r)),
        4 => format!(
            "{} - - [26/Nov/2026:14:02:11 +0000] \"GET /{service}/{number}?page=2 HTTP/1.1\" 200 {number} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
            ip(r)
        ),
        5 => format!(
            "\tat com.example.{service}.TokenValidator.validate(TokenValidator.java:{})",
            r.below(900)
        ),
        6 => format!(
            "java.lang.NullPointerException: Cannot invoke \"com.example.auth.Credentials.getToken()\" because \"c{number}\" is null"
        ),
        7 => format!(
            "level=error ts={time} caller=main.go:{} msg=\"dial tcp {}:5432: connect: connection refused\"",
            r.below(999),
            ip(r)
        ),
        8 => format!(
            "trace_id={} span_id={} {service} took {number} us",
            r.letters(HEX, 32),
            r.letters(HEX, 16)
        ),
        9 => format!(
            "kafka: consumer group {service} partition {} offset {} key order-{number}",
            r.below(64),
            1_000_000_000_000_u64 + number as u64
        ),
        10 => format!("{time} WARN token expired for session {}; refreshing", uuid(r)),
        11 => format!("MountVolume.SetUp failed for volume \"certs\" : secret \"{service}-tls\" not found"),
        12 => format!(
            "E1126 14:02:11.{number:06} 1 reflector.go:{}] \"Failed to watch\" err=\"context deadline exceeded\" type=\"*v1.Secret\"",
            r.below(999)
        ),
        13 => format!(
            "Scaled up replica set {service}-{} to {} from {}",
            r.letters(LOWER, 10),
            r.below(9),
            r.below(9)
        ),
        14 => format!("SyntaxError: Unexpected token: '<' at position {number} in JSON"),
        15 => format!("usage prompt_tokens={number} completion_tokens={} max_tokens=1024", r.below(900)),
        16 => format!("http://{}:8080/{service}/{number} returned 503 after {} retries", ip(r), r.below(9)),
        17 => format!(
            "node ip-10-0-{}-{}.ec2.internal NotReady: PLEG is not healthy",
            r.below(256),
            r.below(256)
        ),
        18 => format!(
            "goroutine {number} [running]:\nmain.(*Server).handle(0xc000{}, 0x{})",
            r.letters(HEX, 6),
            r.letters(HEX, 8)
        ),
        19 => format!(
            "arn:aws:iam::{}:role/{service}-role assumed by {}",
            100_000_000_000_u64 + number as u64,
            pod(r)
        ),
        20 => format!(
            "etag \"{}\" cache key {service}:v{number}:{} miss",
            r.letters(HEX, 32),
            r.letters(HEX, 40)
        ),
        21 => format!("{time} DEBUG build id={} go1.25 commit={}", r.letters(BASE62, 20), r.letters(HEX, 7)),
        22 => {
            format!("duration=0.{}{number:06}11 epoch_ns=17326080{number:06}12345 count={number}", r.below(9))
        }
        23 => format!(
            "authentication failed for user {service}: invalid password (attempt {} of 5)",
            r.below(5)
        ),
        24 => format!("rotating secret {service}/tls: next rotation in {number}s, key size 2048"),
        25 => format!(
            "Traceback: File \"/usr/lib/python3/site-packages/{service}/Http2ClientFactory.py\", line {}, in get_token",
            r.below(999)
        ),
        26 => format!(
            "oom_kill_process: Killed process {number} ({service}) total-vm:{number}kB, anon-rss:{number}kB"
        ),
        27 => format!(
            "helm release {service} v{}.{}.{} sha {} deployed by flux",
            r.below(9),
            r.below(9),
            r.below(99),
            r.letters(HEX, 12)
        ),
        28 => format!(
            "password policy: minimum length {}, token ttl {number}s, secret store: vault-{service}",
            r.below(32)
        ),
        _ => format!("s3://bucket-{service}/2026/11/26/part-{number:05}-{}.snappy.parquet written", uuid(r)),
    }
}
