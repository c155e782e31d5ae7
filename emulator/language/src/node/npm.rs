//! This machine's npm settings, taken along into a build container.
//!
//! Registry, credentials, proxies and certificates stand in the person's `.npmrc` and environment.
//! They are given to npm for the time of the install only: none of it stays in the image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{HostEnvironment, HostSettings, INSTALL_WORK as WORK};

/// Environment that names proxies.
const PROXIES: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];
/// npm settings from the environment that are about this machine's paths.
const OWN_PATHS: [&str; 9] = [
    "cache",
    "prefix",
    "userconfig",
    "globalconfig",
    "cafile",
    "nodedir",
    "tmp",
    "init_module",
    "shell",
];

/// The settings of this machine's npm that an install needs.
#[derive(Debug, Default)]
pub(super) struct NpmSettings {
    /// The person's `.npmrc`.
    pub npmrc: Option<Vec<u8>>,
    /// Certificates to trust.
    pub certificates: Option<Vec<u8>>,
    /// Environment of npm.
    pub env: Vec<String>,
}

impl NpmSettings {
    /// Reads them; `project` is the package's own npmrc, whose variables are filled in as well.
    pub fn read(host: HostEnvironment<'_>, project: Option<&[u8]>) -> Self {
        let HostEnvironment { env, home, read } = host;
        let path = env
            .get("npm_config_userconfig")
            .or_else(|| env.get("NPM_CONFIG_USERCONFIG"))
            .map(PathBuf::from)
            .or_else(|| Some(home?.join(".npmrc")));
        let npmrc = path.and_then(|path| read(&path));
        Self::from(env, npmrc, project, read)
    }

    /// The registry that is set in the environment or the person's `.npmrc`.
    pub fn registry(&self) -> Option<String> {
        let in_env = self.env.iter().find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            key.eq_ignore_ascii_case("npm_config_registry")
                .then(|| value.to_owned())
        });
        in_env.or_else(|| setting(self.npmrc.as_deref()?, "registry"))
    }

    fn from(
        env: BTreeMap<String, String>,
        npmrc: Option<Vec<u8>>,
        project: Option<&[u8]>,
        read: &dyn Fn(&Path) -> Option<Vec<u8>>,
    ) -> Self {
        let mut out: BTreeMap<String, String> = env
            .iter()
            .filter(|(key, _)| PROXIES.contains(&key.as_str()) || is_setting(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        for text in [npmrc.as_deref(), project].into_iter().flatten() {
            for name in variables(&String::from_utf8_lossy(text)) {
                if let Some(value) = env.get(&name) {
                    out.insert(name, value.clone());
                }
            }
        }
        let cafile = env
            .get("npm_config_cafile")
            .or_else(|| env.get("NPM_CONFIG_CAFILE"))
            .cloned()
            .or_else(|| setting(npmrc.as_deref()?, "cafile"));
        let extra = env
            .get("NODE_EXTRA_CA_CERTS")
            .or_else(|| env.get("SSL_CERT_FILE"));
        let path = cafile.as_ref().or(extra);
        let certificates = path.and_then(|path| read(Path::new(path)));
        if certificates.is_some() {
            let at = format!("{WORK}/ca.pem");
            // npm's own setting replaces the certificates Node brings; the variable adds to them.
            let key = if cafile.is_some() {
                "npm_config_cafile"
            } else {
                "NODE_EXTRA_CA_CERTS"
            };
            out.insert(key.to_owned(), at);
        }
        out.insert("HOME".to_owned(), WORK.to_owned());
        out.insert(
            "npm_config_userconfig".to_owned(),
            format!("{WORK}/user.npmrc"),
        );
        out.insert("npm_config_cache".to_owned(), format!("{WORK}/cache"));
        out.insert("npm_config_update_notifier".to_owned(), "false".to_owned());
        let env = out
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        Self {
            npmrc,
            certificates,
            env,
        }
    }
}

impl From<NpmSettings> for HostSettings {
    fn from(settings: NpmSettings) -> Self {
        let npmrc = settings.npmrc.map(|bytes| ("user.npmrc", bytes, 0o600));
        let certificates = settings.certificates.map(|bytes| ("ca.pem", bytes, 0o644));
        Self {
            env: settings.env,
            files: npmrc.into_iter().chain(certificates).collect(),
        }
    }
}

fn is_setting(key: &str) -> bool {
    let lower = key.to_lowercase();
    lower
        .strip_prefix("npm_config_")
        .is_some_and(|name| !OWN_PATHS.contains(&name))
}

/// The names in `${…}`.
fn variables(text: &str) -> Vec<String> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.trim_end_matches('?').to_owned())
        .collect()
}

fn setting(npmrc: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(npmrc);
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn read(path: &Path) -> Option<Vec<u8>> {
        (path == Path::new("/etc/mine/ca.pem")).then(|| b"x".to_vec())
    }

    #[test]
    fn only_settings_that_an_install_needs_are_passed_on() {
        let all = env(&[
            ("TOKEN", "t"),
            ("SECRET", "s"),
            ("https_proxy", "p"),
            ("npm_config_registry", "r"),
            ("npm_config_cache", "/home/x"),
        ]);
        let npmrc = b"//r/:_authToken=${TOKEN}\n".to_vec();
        let settings = NpmSettings::from(all, Some(npmrc), None, &read);
        let has = |text: &str| settings.env.iter().any(|one| one == text);
        assert!(has("TOKEN=t") && has("https_proxy=p") && has("npm_config_registry=r"));
        assert!(
            !settings
                .env
                .iter()
                .any(|one| one.contains("SECRET") || one.contains("/home/x"))
        );
    }

    #[test]
    fn configured_certificates_are_passed_to_the_install() {
        let path = "/etc/mine/ca.pem";
        let extra = NpmSettings::from(env(&[("NODE_EXTRA_CA_CERTS", path)]), None, None, &read);
        assert!(
            extra
                .env
                .contains(&format!("NODE_EXTRA_CA_CERTS={WORK}/ca.pem"))
        );
        let npmrc = format!("cafile = \"{path}\"\n").into_bytes();
        let own = NpmSettings::from(env(&[]), Some(npmrc), None, &read);
        assert!(
            own.env
                .contains(&format!("npm_config_cafile={WORK}/ca.pem"))
        );
        assert_eq!(own.certificates.as_deref(), Some(b"x".as_slice()));
    }
}
