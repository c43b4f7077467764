//! What an Event means, by reporter, reason, kind of the involved object and message.
//!
//! Never by the reason alone: `Failed` has five meanings, `BackOff` two, and several reasons come from more than one
//! reporter (causality reference, 2.1). Strings are those of Kubernetes v1.34.

use crate::entity::EntityKind;
use crate::object::signals::{creation_failure, killed_for_memory, pull_failure, secret_missing};

/// An Event, as far as its meaning depends on it.
pub(super) struct Occasion<'a> {
    pub(super) object: EntityKind,
    pub(super) reporter: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    /// How often it was said.
    pub(super) count: i64,
}

/// A daemon that was started this often within the hour or so that Events are kept does not stay up.
const STARTS: i64 = 3;

/// The kind of an Event; `None` when it says nothing about causes.
pub(super) fn kind_of(occasion: &Occasion<'_>) -> Option<&'static str> {
    match occasion.object {
        EntityKind::Pod => pod(occasion),
        EntityKind::Node => node(occasion),
        EntityKind::Claim | EntityKind::Volume => volume(occasion),
        EntityKind::Autoscaler => autoscaler(occasion),
        EntityKind::CronJob => cronjob(occasion),
        EntityKind::Service => service(occasion),
        EntityKind::Certificate => certificate(occasion),
        EntityKind::Application => application(occasion),
        EntityKind::Source => source(occasion),
        EntityKind::Rollout => rollout(occasion).or_else(|| workload(occasion)),
        _ => workload(occasion),
    }
}

fn says(occasion: &Occasion<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| occasion.message.contains(word))
}

fn pod(occasion: &Occasion<'_>) -> Option<&'static str> {
    let kind = match occasion.reason {
        "Failed" | "FailedCreatePodSandBox" if killed_for_memory(occasion.message) => "k8s.pod.OOMKilled",
        "Failed" | "FailedMount" if secret_missing(occasion.message) && !says(occasion, &["pull"]) => {
            "k8s.pod.SecretMissing"
        }
        "FailedMount" if says(occasion, &["permission denied", "access denied"]) => {
            "k8s.volume.PermissionDenied"
        }
        // A runtime that may not make the directory to mount.
        "Failed" if says(occasion, &["permission denied"]) && says(occasion, &["mkdir", "mount"]) => {
            "k8s.volume.PermissionDenied"
        }
        "BackOff" if says(occasion, &["pulling image"]) => "k8s.pod.BackOffPull",
        "BackOff" => "k8s.pod.BackOffRestart",
        "Failed" => failed(occasion),
        "ErrImageNeverPull" | "InspectFailed" => "k8s.pod.ImageNotFound",
        "FailedToRetrieveImagePullSecret" => "k8s.pod.PullSecretMissing",
        "Unhealthy" if says(occasion, &["Liveness"]) => "k8s.pod.UnhealthyLiveness",
        "Unhealthy" if says(occasion, &["Startup"]) => "k8s.pod.UnhealthyStartup",
        "Unhealthy" => "k8s.pod.UnhealthyReadiness",
        "FailedScheduling" if occasion.reporter.contains("karpenter") => "k8s.node.CapacityUnavailable",
        "FailedScheduling" => "k8s.pod.FailedScheduling",
        "NotTriggerScaleUp"
        | "InsufficientCapacityError"
        | "NoCompatibleInstanceTypes"
        | "FailedToTriggerScaleUp" => "k8s.node.CapacityUnavailable",
        "Evicted" | "TaintManagerEviction" | "DeviceTaintManagerEviction" | "NodeControllerEviction" => {
            "k8s.pod.Evicted"
        }
        "Preempted" | "Preempting" => "k8s.pod.Preempted",
        "FailedMount" | "FailedMapVolume" => "k8s.pod.FailedMount",
        "FailedAttachVolume" => "k8s.pod.FailedAttach",
        "FailedCreatePodSandBox" | "FailedPodSandBoxStatus"
            if says(occasion, &["no IP addresses available", "failed to allocate for range"]) =>
        {
            "k8s.network.AddressesExhausted"
        }
        "FailedCreatePodSandBox" | "FailedPodSandBoxStatus" | "NetworkNotReady" => "k8s.pod.FailedSandbox",
        "FailedPostStartHook" | "FailedPreStopHook" => "k8s.pod.FailedHook",
        "NodeNotReady" => "k8s.pod.NodeLost",
        "OutOfcpu" | "OutOfmemory" | "OutOfpods" | "UnexpectedAdmissionError" | "TopologyAffinityError" => {
            "k8s.pod.FailedScheduling"
        }
        "Killing" => "k8s.pod.Killing",
        "Scheduled"
        | "Pulling"
        | "Pulled"
        | "Created"
        | "Started"
        | "SandboxChanged"
        | "SuccessfulAttachVolume" => "k8s.pod.Lifecycle",
        _ => return None,
    };
    Some(kind)
}

/// The five meanings of `Failed`.
fn failed(occasion: &Occasion<'_>) -> &'static str {
    if says(
        occasion,
        &[
            "couldn't find key",
            "not found in ConfigMap",
            "configmap \"",
            "secret \"",
            "CreateContainerConfigError",
        ],
    ) && !says(occasion, &["pull"])
    {
        "k8s.pod.ConfigError"
    } else if says(occasion, &["ImagePullBackOff"]) {
        "k8s.pod.BackOffPull"
    } else if says(occasion, &["pull", "image", "ErrImagePull"]) {
        pull_failure(occasion.message)
    } else {
        "k8s.pod.ContainerCannotRun"
    }
}

fn node(occasion: &Occasion<'_>) -> Option<&'static str> {
    let kind = match occasion.reason {
        "NodeNotReady" => "k8s.node.NotReady",
        "Starting" if occasion.reporter.contains("kube-proxy") && STARTS <= occasion.count => {
            "k8s.node.ProxyDown"
        }
        _ if says(occasion, &[".sock: connect"]) => "k8s.node.RuntimeDown",
        "Rebooted" => "k8s.node.Rebooted",
        "Shutdown" | "SpotInterruption" | "Disrupted" | "DisruptionTerminating" | "TerminatingNode" => {
            "k8s.node.Disrupted"
        }
        "NodeNotSchedulable" => "k8s.node.Cordoned",
        "NodeHasDiskPressure" | "FreeDiskSpaceFailed" => "k8s.node.DiskPressure",
        "EvictionThresholdMet" if says(occasion, &["ephemeral-storage", "disk", "inodes"]) => {
            "k8s.node.DiskPressure"
        }
        "EvictionThresholdMet" | "NodeHasInsufficientMemory" => "k8s.node.MemoryPressure",
        "NodeHasInsufficientPID" => "k8s.node.PIDPressure",
        "ImageGCFailed" => "k8s.node.ImageGCFailed",
        "SystemOOM" | "OOMKilling" => "k8s.node.SystemOOM",
        "CIDRNotAvailable" | "CIDRAssignmentFailed" => "k8s.network.AddressesExhausted",
        "RemovingNode" | "DeletingNode" | "DeletingAllPods" => "k8s.node.Deleted",
        "FailedDraining" => "k8s.node.Drained",
        "InsufficientCapacityError" | "NodeClassNotReady" => "k8s.node.CapacityUnavailable",
        _ => "k8s.node.Lifecycle",
    };
    Some(kind)
}

fn workload(occasion: &Occasion<'_>) -> Option<&'static str> {
    let kind = match occasion.reason {
        // An Event tells that a creation failed once, not that it still does: what a workload lacks for good, such as a
        // service account, is told by the states of its objects.
        "FailedCreate" | "ReplicaSetCreateError" | "FailedDaemonPod" => {
            match creation_failure(occasion.message) {
                "k8s.workload.MissingServiceAccount" => "k8s.workload.FailedCreate",
                kind => kind,
            }
        }
        "FailedPlacement" => "k8s.daemonset.FailedPlacement",
        "BackoffLimitExceeded" | "PodFailurePolicy" | "MaxFailedIndexesExceeded" | "FailedIndexes" => {
            "k8s.job.Failed"
        }
        "DeadlineExceeded" if occasion.object == EntityKind::Job => "k8s.job.Failed",
        "ProgressDeadlineExceeded" => "k8s.workload.ProgressDeadlineExceeded",
        "DeploymentRollback" => "k8s.workload.Rollout",
        _ => return None,
    };
    Some(kind)
}

fn volume(occasion: &Occasion<'_>) -> Option<&'static str> {
    match occasion.reason {
        "FailedBinding" | "WaitForFirstConsumer" | "ExternalProvisioning" | "WaitForPodScheduled" => {
            Some("k8s.claim.Pending")
        }
        "ProvisioningFailed" if says(occasion, &["storageclass"]) && says(occasion, &["not found"]) => {
            Some("k8s.claim.ClassMismatch")
        }
        "ProvisioningFailed" => Some("k8s.claim.ProvisioningFailed"),
        "VolumeMismatch" if says(occasion, &["too small"]) => Some("k8s.claim.CapacityMismatch"),
        "VolumeMismatch" if says(occasion, &["accessMode"]) => Some("k8s.claim.AccessModeMismatch"),
        "VolumeMismatch" if says(occasion, &["storageClassName"]) => Some("k8s.claim.ClassMismatch"),
        "VolumeMismatch" if says(occasion, &["already bound"]) => Some("k8s.claim.VolumeOccupied"),
        "VolumeMismatch" => Some("k8s.claim.BindingMismatch"),
        _ => None,
    }
}

fn autoscaler(occasion: &Occasion<'_>) -> Option<&'static str> {
    match occasion.reason {
        "SuccessfulRescale" => Some("k8s.autoscaler.Rescaled"),
        reason
            if reason.starts_with("FailedGet")
                || reason == "FailedComputeMetricsReplicas"
                || reason == "FailedRescale" =>
        {
            Some("k8s.autoscaler.MetricsUnavailable")
        }
        _ => None,
    }
}

fn cronjob(occasion: &Occasion<'_>) -> Option<&'static str> {
    let missed = matches!(
        occasion.reason,
        "MissSchedule"
            | "TooManyMissedTimes"
            | "JobAlreadyActive"
            | "UnparseableSchedule"
            | "InvalidSchedule"
    );
    missed.then_some("k8s.cronjob.Missed")
}

fn service(occasion: &Occasion<'_>) -> Option<&'static str> {
    let failed = matches!(
        occasion.reason,
        "SyncLoadBalancerFailed" | "UpdateLoadBalancerFailed" | "UnAvailableLoadBalancer"
    );
    failed.then_some("k8s.service.LoadBalancerFailed")
}

fn certificate(occasion: &Occasion<'_>) -> Option<&'static str> {
    let failed =
        matches!(occasion.reason, "RequestFailed" | "PresentError" | "BadConfig" | "Failed" | "DecodeFailed");
    failed.then_some("k8s.certificate.RequestFailed")
}

/// Argo CD, then Flux (Kustomization and HelmRelease).
fn application(occasion: &Occasion<'_>) -> Option<&'static str> {
    let kind = match occasion.reason {
        "OperationStarted" => "argocd.sync.started",
        "OperationCompleted" if says(occasion, &["failed", "error", "Failed", "Error"]) => {
            "argocd.sync.failed"
        }
        "OperationCompleted" => "argocd.sync.succeeded",
        "ReconciliationSucceeded" => "flux.reconciliation.succeeded",
        "ReconciliationFailed" | "BuildFailed" | "PruneFailed" | "ValidationFailed" | "ArtifactFailed" => {
            "flux.reconciliation.failed"
        }
        "HealthCheckFailed" => "flux.health_check_failed",
        "DependencyNotReady" => "flux.dependency_not_ready",
        "UpgradeSucceeded" | "InstallSucceeded" => "flux.release.upgraded",
        "UpgradeFailed" | "InstallFailed" | "TestFailed" | "RollbackFailed" | "UninstallFailed" => {
            "flux.release.failed"
        }
        "RollbackSucceeded" => "flux.release.rolled_back",
        "ResourceUpdated" if says(occasion, &["Degraded"]) => "argocd.health.degraded",
        "ResourceUpdated" if says(occasion, &["OutOfSync"]) => "argocd.out_of_sync",
        _ => return None,
    };
    Some(kind)
}

fn source(occasion: &Occasion<'_>) -> Option<&'static str> {
    match occasion.reason {
        "AuthenticationFailed" => Some("flux.authentication_failed"),
        "GitOperationFailed"
        | "ChartPullFailed"
        | "OCIArtifactPullFailed"
        | "BucketOperationFailed"
        | "IndexationFailed"
        | "VerificationFailed"
        | "URLInvalid"
        | "StorageOperationFailed" => Some("flux.git_operation_failed"),
        _ => None,
    }
}

fn rollout(occasion: &Occasion<'_>) -> Option<&'static str> {
    let kind = match occasion.reason {
        "RolloutAborted" => "rollouts.aborted",
        "AnalysisRunFailed" | "ExperimentFailed" | "AnalysisRunError" => "rollouts.analysis_failed",
        "TrafficWeightUpdated" | "RolloutStepCompleted" | "SwitchService" => "rollouts.weight_changed",
        "RolloutCompleted" | "RolloutHealthy" => "rollouts.completed",
        "RolloutUpdated" | "NewReplicaSetCreated" => "k8s.workload.Rollout",
        "TrafficRoutingError" | "WeightVerifyError" | "RolloutNotCompleted" => "rollouts.degraded",
        _ => return None,
    };
    Some(kind)
}
