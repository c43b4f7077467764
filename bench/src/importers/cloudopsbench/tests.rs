//! Snapshots of our own in the format of the set: other names, kinds of workloads and versions of kubectl than its cases
//! have, with one thing wrong.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Case, predict};

/// A shop of three workloads: a gateway with routes, a program with a sidecar, and its database, a stateful set.
#[derive(Clone)]
struct Shop {
    replicas: u8,
    env: String,
    sidecar: &'static str,
    route: &'static str,
    class: &'static str,
    /// State and Events of the program's pods, of the database's, and of the claim.
    orders: Lot,
    store: Lot,
    claim: &'static str,
    ingress: &'static str,
    logs: Value,
}

/// How the containers of a pod are, and what Events say.
#[derive(Clone, Copy)]
struct Lot(&'static str, &'static str);

const WELL: Lot = Lot("Running", "");
const ENDS: Lot = Lot(
    "CrashLoopBackOff",
    "Warning  BackOff  5s (x9 over 3m)  kubelet  Back-off restarting failed container app in pod x",
);

fn shop() -> Shop {
    let env = "DB_HOST:  books\n      DB_PORT:  3306\n      DB_PASSWORD:  <set to the key 'word' in secret 'books-login'>  Optional: false";
    Shop {
        replicas: 2,
        env: env.to_owned(),
        sidecar: "9102",
        route: "http://orders:8081",
        class: "fast",
        orders: WELL,
        store: WELL,
        claim: "Bound",
        ingress: "edge:80",
        logs: json!({}),
    }
}

impl Shop {
    fn commands(&self) -> Value {
        let orders = format!(
            "  app:\n    Image:  reg.example/orders:2\n    Port:  8081/TCP (http)\n    Liveness:  http-get http://:http/live delay=20s timeout=1s period=10s #success=1 #failure=3\n    Environment:\n      {}\n  side:\n    Image:  reg.example/side:1\n    Port:  {}/TCP\n",
            self.env, self.sidecar
        );
        let store = "  db:\n    Image:  reg.example/library/mysql:8\n    Port:  3306/TCP\n";
        let edge = "  proxy:\n    Image:  reg.example/proxy:4\n    Port:  8080/TCP\n";
        let kept = "  data:\n    Type:  PersistentVolumeClaim\n    ClaimName:  data-books-0\n";
        let routes = "  conf:\n    Type:  ConfigMap\n    Name:  edge-routes\n";
        let behind = if self.replicas == 0 { "" } else { "  Addresses:  10.1.0.4\n" };
        let free = if self.claim == "Bound" { "Bound" } else { "Available" };
        json!({
            "kubectl describe deployments orders -n books": workload("orders", self.replicas, self.orders, &orders, ""),
            "kubectl describe deployments edge -n books": workload("edge", 1, WELL, edge, routes),
            "kubectl describe statefulsets books -n books": workload("books", 1, self.store, store, kept),
            "kubectl describe pods orders-1 -n books": if self.replicas == 0 { String::new() } else { pod("orders", self.orders, &orders, "") },
            "kubectl describe pods edge-1 -n books": pod("edge", WELL, edge, routes),
            "kubectl describe pods books-0 -n books": pod("books", self.store, store, kept),
            "kubectl describe services orders -n books": service("orders", 8081, "http"),
            "kubectl describe endpoints orders -n books": format!("Name: orders\nNamespace: books\nSubsets:\n{behind}"),
            "kubectl describe services edge -n books": service("edge", 80, "8080"),
            "kubectl describe services books -n books": service("books", 3306, "3306"),
            "kubectl describe configmaps edge-routes -n books": format!("Name: edge-routes\nNamespace: books\n\nData\n====\nroutes.yaml:\n----\nroutes:\n- uri: {}\n\nBinaryData\n====\n", self.route),
            "kubectl describe ingresses front -n books": format!("Name: front\nNamespace: books\nRules:\n  Host  Path  Backends\n  ----  ----  --------\n  *\n        /   {} (10.1.0.4:8080)\nAnnotations: <none>\n", self.ingress),
            "kubectl get secrets -n books": "NAME         TYPE    DATA  AGE\nbooks-login  Opaque  1     20d\n",
            "kubectl describe persistentvolumeclaims data-books-0 -n books": format!("Name: data-books-0\nNamespace: books\nStorageClass: {}\nStatus: {}\nVolume:\nUsed By: books-0\n", self.class, self.claim),
            "kubectl get persistentvolumeclaims -n books": "NAME          STATUS   AGE\ndata-books-0  Pending  4m\n",
            "kubectl describe persistentvolumes disk-1": format!("Name: disk-1\nStorageClass: fast\nStatus: {free}\nReclaim Policy: Retain\nAccess Modes: RWO\nCapacity: 1Gi\n"),
        })
    }
}

fn workload(name: &str, replicas: u8, lot: Lot, containers: &str, volumes: &str) -> String {
    let ready = if lot.0 == "Running" { replicas } else { 0 };
    let shown = format!("Labels:  app.example/name={name}\n  Containers:\n{}", indent(containers));
    format!(
        "Name: {name}\nNamespace: books\nCreationTimestamp: Mon, 02 Mar 2026 06:20:00 +0000\nSelector: app.example/name={name}\nReplicas: {replicas} desired | {replicas} updated | {replicas} total | {ready} available | 0 unavailable\nPods Status: {ready} Running / 0 Waiting / 0 Succeeded / 0 Failed\nPod Template:\n  {shown}  Volumes:\n{}Events: <none>\n",
        indent(volumes)
    )
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn pod(name: &str, Lot(state, events): Lot, containers: &str, volumes: &str) -> String {
    let node = if state == "Pending" { "<none>" } else { "n1/10.0.0.1" };
    let status = match state {
        "Running" => "    State: Running\n    Ready: True\n    Restart Count: 0\n".to_owned(),
        "CrashLoopBackOff" => "    State: Waiting\n      Reason: CrashLoopBackOff\n    Last State: Terminated\n      Reason: Error\n      Exit Code: 1\n      Finished: Mon, 02 Mar 2026 06:29:30 +0000\n    Ready: False\n    Restart Count: 5\n".to_owned(),
        reason => format!("    State: Waiting\n      Reason: {reason}\n    Ready: False\n    Restart Count: 0\n"),
    };
    let containers = containers.replace("    Port:", &format!("{status}    Port:"));
    let conditions = match state {
        "Pending" => "  PodScheduled  False\n".to_owned(),
        _ => {
            format!("  Ready  {}\n  PodScheduled  True\n", if state == "Running" { "True" } else { "False" })
        }
    };
    let (full, owner) =
        if name == "books" { ("books-0", "StatefulSet") } else { (&*format!("{name}-1"), "Deployment") };
    format!(
        "Name: {full}\nNamespace: books\nNode: {node}\nStart Time: Mon, 02 Mar 2026 06:25:00 +0000\nLabels: app.example/name={name}\nStatus: Running\nControlled By: {owner}/{name}\nContainers:\n{containers}Conditions:\n  Type  Status\n{conditions}Volumes:\n{volumes}Events:\n  Type  Reason  Age  From  Message\n  {events}\n"
    )
}

fn service(name: &str, port: u16, target: &str) -> String {
    format!(
        "Name: {name}\nNamespace: books\nSelector: app.example/name={name}\nType: ClusterIP\nPort: main  {port}/TCP\nTargetPort: {target}/TCP\nSession Affinity: None\n"
    )
}

/// Object and cause that come first.
fn first(name: &str, shop: &Shop) -> Option<(String, Option<String>)> {
    let folder: PathBuf = std::env::temp_dir().join(format!("kgroot-snapshot-{}-{name}", std::process::id()));
    let files = folder.join("cases").join(name);
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("k8s_states.json"), shop.commands().to_string()).unwrap();
    std::fs::write(files.join("logs.json"), shop.logs.to_string()).unwrap();
    let case: Case =
        serde_json::from_value(json!({"dataset": "own", "case": name, "query": "Service unavailable.",
        "namespace": "books", "capture_ts": "2026-03-02T14:30:00+08:00"}))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (prediction, rejects) = runtime.block_on(predict(&folder, &case)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(rejects.is_empty(), "{rejects:?}");
    let first = prediction.ranking.into_iter().next()?;
    Some((first.object?, first.root_cause))
}

fn is_first(name: &str, shop: &Shop, object: &str, cause: &str) {
    assert_eq!(first(name, shop), Some((object.to_owned(), Some(cause.to_owned()))), "{name}");
}

#[test]
fn a_shop_that_is_well_has_no_answer() {
    assert_eq!(first("well", &shop()), None);
}

#[test]
fn what_keeps_a_program_from_starting_is_named() {
    let ends = |line: &str| Shop {
        orders: ENDS,
        logs: json!({"orders": [format!("2026-03-02 06:29:20.101 ERROR {line}")]}),
        ..shop()
    };
    let refused = "java.sql.SQLException: Access denied for user 'app'@'10.1.0.4' (using password: YES)";
    is_first("credentials", &ends(refused), "app/orders", "mysql_invalid_credentials");
    let unreachable = Shop {
        env: "PROFILE:  prod".to_owned(),
        ..ends("CommunicationsException: Communications link failure")
    };
    is_first("port-unseen", &unreachable, "app/orders", "mysql_invalid_port");
    let wrong = Shop {
        env: shop().env.replace("3306", "3307"),
        ..ends("CommunicationsException: Communications link failure")
    };
    is_first("port", &wrong, "app/orders", "mysql_invalid_port");
    is_first(
        "names",
        &ends("java.net.UnknownHostException: mail: Temporary failure in name resolution"),
        "app/orders",
        "service_dns_resolution_failure",
    );
    is_first(
        "taken",
        &ends("Web server failed to start. Port 8081 was already in use."),
        "app/orders",
        "service_sidecar_port_conflict",
    );
    is_first(
        "declared",
        &Shop { sidecar: "8081", orders: ENDS, ..shop() },
        "app/orders",
        "service_sidecar_port_conflict",
    );
    let secret = Lot(
        "CreateContainerConfigError",
        "Warning  Failed  5s (x9 over 3m)  kubelet  Error: secret \"books-logins\" not found",
    );
    is_first("secret", &Shop { orders: secret, ..shop() }, "app/orders", "missing_secret_binding");
}

#[test]
fn what_a_client_is_told_by_its_database_is_about_the_database() {
    let told = |line: &str| Shop {
        logs: json!({"orders": [format!("2026-03-02 06:29:20.101 ERROR {line}")]}),
        ..shop()
    };
    is_first(
        "full",
        &told("message from server: \"Too many connections\""),
        "app/books",
        "db_connection_exhaustion",
    );
    is_first(
        "locked",
        &told("The MySQL server is running with the --super-read-only option"),
        "app/books",
        "db_read_only",
    );
}

#[test]
fn storage_that_cannot_be_used_is_named() {
    let waits = Lot(
        "Pending",
        "Warning  FailedScheduling  3m  default-scheduler  0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: none",
    );
    is_first(
        "class",
        &Shop { store: waits, claim: "Pending", class: "slow", ..shop() },
        "app/books",
        "pvc_storage_class_mismatch",
    );
    let denied = json!({"books": ["2026-03-02T06:29:20Z mysqld: Can't create/write to file '/var/lib/mysql/x' (OS errno 13 - Permission denied)"]});
    is_first(
        "denied",
        &Shop { store: ENDS, logs: denied, ..shop() },
        "app/books",
        "volume_mount_permission_denied",
    );
}

#[test]
fn routes_that_lead_nowhere_and_workloads_without_pods_are_named() {
    is_first("route", &Shop { route: "http://orders:9999", ..shop() }, "app/edge", "gateway_misroute");
    is_first("ingress", &Shop { ingress: "edges:80", ..shop() }, "app/front", "gateway_misroute");
    let lost = json!({"edge": ["2026-03-02T06:29:20Z ERROR 503 SERVICE_UNAVAILABLE \"Unable to find instance for order\""]});
    is_first(
        "registry",
        &Shop { logs: lost, route: "lb://orders", ..shop() },
        "app/edge",
        "gateway_misroute",
    );
    let missed =
        json!({"edge": ["2026-03-02T06:29:20Z ERROR connect: connection refused: orders/10.96.0.7:8081"]});
    let zero = Shop { replicas: 0, logs: missed, ..shop() };
    is_first("zero", &zero, "app/orders", "deployment_zero_replicas");
}

#[test]
fn only_lines_that_complain_are_fed_and_their_times_are_read() {
    use super::telemetry::{severity, stamp};
    let quiet = [
        "2026-03-02 06:29:20.101  INFO 1 --- [main] a.Handler : exception handler is ready",
        "{\"severity\": \"INFO\", \"message\": \"0 errors\"}",
    ];
    assert!(quiet.iter().all(|line| severity(line).is_none()));
    assert_eq!(severity("2026/03/02 06:29:20 [error] 7#7: pay could not be resolved"), Some("error"));
    let times = [
        "2026-03-02T06:29:20.000Z 0 [ERROR] x",
        "2026-03-02 06:29:20 ERROR x",
        "2026-03-02 06:29:20,000 - app - ERROR - x",
        "2026/03/02 06:29:20 [error] x",
        "[2026-03-02 06:29:20.000][1][critical] x",
        "1:M 02 Mar 2026 06:29:20.000 # x",
        "{\"level\":\"error\",\"ts\":1772432960.0,\"msg\":\"x\"}",
        "{\"severity\":\"error\",\"time\":1772432960000}",
        "{\"message\":\"x\",\"timestamp\":\"2026-03-02T06:29:20Z\"}",
    ];
    for line in times {
        assert_eq!(
            stamp(line).map(|at| at.to_string()).as_deref(),
            Some("2026-03-02T06:29:20.000Z"),
            "{line}"
        );
    }
}
