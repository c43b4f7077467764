//! Things in production and the typed edges between them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{EntityId, Tenant, hash64};
use crate::time::EventTime;

macro_rules! named_enum {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name used in data files, JSON and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok($name::$variant),)+
                    other => Err(format!(concat!("unknown ", $what, " {:?}"), other)),
                }
            }
        }
    };
}
pub(crate) use named_enum;

named_enum!(
    /// What sort of thing an entity is.
    EntityKind, "entity kind" {
        /// A Kubernetes cluster.
        Cluster = "cluster",
        /// A Kubernetes node or a host.
        Node = "node",
        /// A namespace; quotas and limits act on it.
        Namespace = "namespace",
        /// A Deployment.
        Deployment = "deployment",
        /// A StatefulSet.
        StatefulSet = "statefulset",
        /// A DaemonSet.
        DaemonSet = "daemonset",
        /// A ReplicaSet.
        ReplicaSet = "replicaset",
        /// An Argo Rollout.
        Rollout = "rollout",
        /// A Job.
        Job = "job",
        /// A CronJob.
        CronJob = "cronjob",
        /// A Pod.
        Pod = "pod",
        /// A Kubernetes Service, and the logical service of traces, metrics and alerts: one thing by one name.
        Service = "service",
        /// An Ingress, VirtualService or Gateway route.
        Ingress = "ingress",
        /// A ConfigMap.
        ConfigMap = "configmap",
        /// A Secret.
        Secret = "secret",
        /// A ServiceAccount.
        ServiceAccount = "serviceaccount",
        /// A PersistentVolumeClaim.
        Claim = "claim",
        /// A PersistentVolume.
        Volume = "volume",
        /// A HorizontalPodAutoscaler.
        Autoscaler = "autoscaler",
        /// A PodDisruptionBudget.
        DisruptionBudget = "disruptionbudget",
        /// A NetworkPolicy or AuthorizationPolicy.
        Policy = "policy",
        /// An admission webhook configuration.
        Webhook = "webhook",
        /// A certificate.
        Certificate = "certificate",
        /// A GitOps application: Argo CD Application, Flux Kustomization or HelmRelease.
        Application = "application",
        /// A GitOps source: git repository, Helm repository, bucket.
        Source = "source",
        /// A Helm release.
        Release = "release",
        /// A source repository; name is `owner/name`.
        Repository = "repository",
        /// A commit; name is the full SHA.
        Commit = "commit",
        /// A pull request; name is `owner/name#number`.
        PullRequest = "pullrequest",
        /// A CI pipeline run or workflow; name is `owner/name#run` or the workflow name.
        PipelineRun = "pipelinerun",
        /// A container image reference without digest.
        Image = "image",
        /// A registry, by host.
        Registry = "registry",
        /// A system outside: third-party API, managed database, by host.
        External = "external",
        /// A topic, queue or stream.
        Topic = "topic",
        /// A chat channel.
        Channel = "channel",
        /// A feature flag.
        Flag = "flag",
        /// The calls of one service to another; name is `caller->callee`.
        Call = "call",
    }
);

named_enum!(
    /// A typed edge. Reads as a sentence from left to right: `from` relation `to`.
    RelationKind, "relation" {
        /// Controller owns object: deployment owns replicaset owns pod.
        Owns = "owns",
        /// Pod runs on node.
        RunsOn = "runs_on",
        /// Service selects pod.
        Selects = "selects",
        /// Service calls service.
        Calls = "calls",
        /// Pod or workload references config map, secret, claim, service account.
        References = "references",
        /// Commit deploys pipeline run; pipeline run or application deploys workload: deliverer first.
        Deploys = "deploys",
        /// Autoscaler scales workload.
        Scales = "scales",
        /// Ingress routes service.
        Routes = "routes",
        /// Workload is built from image; image is built from commit.
        BuiltFrom = "built_from",
        /// Object is a member of namespace, node of cluster, volume claim of volume.
        MemberOf = "member_of",
        /// Image is hosted on registry, node on zone.
        HostedOn = "hosted_on",
    }
);

/// A thing in production. Absent parts are empty text: a node has no namespace, most tenants have one cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// What sort of thing it is.
    pub kind: EntityKind,
    /// Cluster name; empty when the source does not say.
    pub cluster: String,
    /// Namespace; empty for cluster-wide things.
    pub namespace: String,
    /// Name, unique in its namespace and kind.
    pub name: String,
}

impl Entity {
    /// Its text, in pieces, of which some are empty: kind, `/`, cluster and `:`, namespace and `/`, name.
    pub fn pieces(&self) -> [&str; 7] {
        let [colon, slash] = [(&self.cluster, ":"), (&self.namespace, "/")]
            .map(|(text, end)| if text.is_empty() { "" } else { end });
        [self.kind.as_str(), "/", &self.cluster, colon, &self.namespace, slash, &self.name]
    }

    /// An entity of a namespace.
    pub fn namespaced(kind: EntityKind, namespace: &str, name: &str) -> Self {
        Entity { kind, cluster: String::new(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// An entity without a namespace.
    pub fn global(kind: EntityKind, name: &str) -> Self {
        Entity::namespaced(kind, "", name)
    }

    /// The same entity in a named cluster.
    #[must_use]
    pub fn in_cluster(mut self, cluster: &str) -> Self {
        self.cluster = cluster.to_owned();
        self
    }

    /// The id of this entity for one tenant.
    pub fn id(&self, tenant: Tenant) -> EntityId {
        EntityId(hash64(&[
            &tenant.0.to_le_bytes(),
            self.kind.as_str().as_bytes(),
            self.cluster.as_bytes(),
            self.namespace.as_bytes(),
            self.name.as_bytes(),
        ]))
    }
}

/// `kind/name`, `kind/namespace/name` or `kind/cluster:namespace/name`.
impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Piece by piece: keys of rows are made of it, and `write!` takes longer than the text.
        self.pieces().into_iter().try_for_each(|piece| f.write_str(piece))
    }
}

/// An edge that holds from `valid_from` until `valid_to` (open when `None`). End exclusive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relation {
    /// The subject of the sentence.
    pub from: Entity,
    /// The verb.
    pub kind: RelationKind,
    /// The object of the sentence.
    pub to: Entity,
    /// First instant at which the edge holds.
    pub valid_from: EventTime,
    /// First instant at which it no longer holds.
    pub valid_to: Option<EventTime>,
}
