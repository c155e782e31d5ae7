//! A project with images in a store, to promote.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use fnlocal_cloud::desired::PromoteRequest;
use fnlocal_cloud::environment::{CloudEnvironment, PrescaleAction};
use fnlocal_cloud::source::ImageSource;
use fnlocal_core::release::{Release, ReleaseFunction, ReleasePackage, SCHEMA};
use fnlocal_core::trigger::ScheduleSpec;
use fnlocal_registry::{Digest, RepositoryName, Store};
use serde_json::json;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Bytes of the layer all images share.
pub const BASE: usize = 3 << 20;

pub struct Project {
    pub store: Store,
    pub env: CloudEnvironment,
    pub code: BTreeMap<String, String>,
    pub variables: Vec<String>,
    /// When the function of `mail` is called by itself.
    pub schedule: Option<ScheduleSpec>,
    gateway: String,
    repositories: BTreeMap<String, RepositoryName>,
    _folder: tempfile::TempDir,
}

impl Project {
    /// Two packages of one function each, and a gateway.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut env = CloudEnvironment::new("prod");
        env.durable = true;
        env.prescale.push(PrescaleAction {
            name: "flash-sale".to_owned(),
            cron: "30 17 * * FRI".to_owned(),
            timezone: Some("Asia/Kolkata".to_owned()),
            min: 4,
        });
        let mut project = Self {
            store,
            env,
            code: BTreeMap::new(),
            variables: vec!["REDIS_URL".to_owned()],
            schedule: Some(ScheduleSpec {
                timezone: "Europe/Berlin".to_owned(),
                ..ScheduleSpec::cron("0 9 * * MON-FRI")
            }),
            gateway: String::new(),
            repositories: BTreeMap::new(),
            _folder: folder,
        };
        project.gateway = project.image("gateway", "the binary");
        project.set("auction", "exports.bid = 1");
        project.set("mail", "exports.send = 1");
        project
    }

    /// Gives a package this code.
    pub fn set(&mut self, package: &str, code: &str) {
        self.code.insert(package.to_owned(), code.to_owned());
    }

    pub fn wish(&mut self) -> PromoteRequest {
        let mut packages = Vec::new();
        for (name, code) in self.code.clone() {
            let digest = self.image(&name, &code);
            let function = ReleaseFunction {
                name: format!("{name}-function"),
                entry: "index.js".to_owned(),
                limits: fnlocal_core::limits::FunctionLimits::default(),
                body_limit: 1 << 20,
                response_limit: None,
                streams: false,
                env: self.variables.clone(),
                schedule: self.schedule.clone().filter(|_| name == "mail"),
                triggers: Default::default(),
            };
            packages.push(ReleasePackage {
                repository: name.clone(),
                digest,
                code: Digest::sha256(code.as_bytes()).hex()[..16].to_owned(),
                language: None,
                entries: vec!["index.js".to_owned()],
                functions: vec![function],
                name,
            });
        }
        let release = Release {
            schema: SCHEMA,
            project: "shop".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            fnlocal: "0.1.0".to_owned(),
            commit: None,
            default: None,
            routes: Vec::new(),
            limits: fnlocal_core::release::ReleaseLimits::default(),
            packages,
        };
        PromoteRequest {
            env: self.env.clone(),
            release: release.validate().unwrap(),
            gateway: self.gateway.clone(),
            architectures: BTreeSet::from(["amd64".to_owned()]),
            renew: false,
        }
    }

    /// A new version of fnlocal itself.
    pub fn new_gateway(&mut self) {
        self.gateway = self.image("gateway", "another binary");
    }

    pub fn source(&self) -> ImageSource {
        ImageSource {
            store: self.store.clone(),
            repositories: self.repositories.clone(),
        }
    }

    fn image(&mut self, name: &str, code: &str) -> String {
        let repository: RepositoryName = name.parse().unwrap();
        let base = vec![7; BASE];
        let config = json!({ "architecture": "amd64", "os": "linux", "of": name });
        let config = self.blob(&repository, config.to_string().as_bytes());
        let layers = [
            self.blob(&repository, &base),
            self.blob(&repository, code.as_bytes()),
        ];
        let part = |media_type: &str, (digest, size): &(Digest, u64)| json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size });
        let layer = |at: usize| part("application/vnd.oci.image.layer.v1.tar", &layers[at]);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": part("application/vnd.oci.image.config.v1+json", &config),
            "layers": [layer(0), layer(1)],
        });
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::sha256(&bytes);
        let reference = digest.clone().into();
        self.store
            .put_manifest(&repository, &reference, MANIFEST, &bytes)
            .unwrap();
        self.repositories.insert(digest.to_string(), repository);
        digest.to_string()
    }

    fn blob(&self, repository: &RepositoryName, bytes: &[u8]) -> (Digest, u64) {
        let mut writer = self.store.writer().unwrap();
        writer.write_all(bytes).unwrap();
        let blob = writer.commit(repository, None).unwrap();
        (blob.digest, blob.size)
    }
}
