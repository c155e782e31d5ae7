//! Files' names on a debugger's side and on an instance's.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The characters that Node writes unchanged into the URLs of files.
const IN_URL: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'?');

/// How the code's folder is named on either side. Messages are JSON; nothing else in them looks
/// like these folders, whose names are long and end in a slash.
#[derive(Clone, Debug)]
pub struct InspectPaths {
    to_client: Vec<(String, String)>,
    to_instance: Vec<(String, String)>,
}

impl InspectPaths {
    /// `inside` is where an instance sees the code, `outside` where the person has it, both with a
    /// slash at the end.
    pub fn new(inside: &str, outside: &str) -> Self {
        let written: [fn(&str) -> String; 4] = [
            str::to_owned,
            |path| utf8_percent_encode(path, IN_URL).to_string(),
            // Breakpoints come as regular expressions, with and without escaped slashes.
            regex::escape,
            |path| regex::escape(path).replace('/', "\\/"),
        ];
        let mut to_client: Vec<(String, String)> = Vec::new();
        let mut to_instance: Vec<(String, String)> = Vec::new();
        for (at, write) in written.into_iter().enumerate() {
            let of = |path: &str| in_json(&write(path));
            let own = |path: &str| of(&format!("{path}.fnlocal/"));
            let pairs = [
                (of(outside), of(inside)),
                // Files that fnlocal keeps in the person's folder are the same on both sides.
                (own(inside), own(outside)),
            ];
            for pair in pairs {
                // A renamed path must not be found again by another spelling.
                if !to_instance.iter().any(|(from, _)| *from == pair.0) {
                    to_instance.push(pair);
                }
            }
            let back = (of(inside), of(outside));
            if at < 2 && !to_client.contains(&back) {
                to_client.push(back);
            }
        }
        Self {
            to_client,
            to_instance,
        }
    }

    /// A message of the instance's.
    pub fn to_client(&self, text: &str) -> String {
        replaced(text, &self.to_client)
    }

    /// A message of the debugger's.
    pub fn to_instance(&self, text: &str) -> String {
        replaced(text, &self.to_instance)
    }
}

fn replaced(text: &str, pairs: &[(String, String)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in pairs {
        if text.contains(from.as_str()) {
            text = text.replace(from, to);
        }
    }
    text
}

/// As it stands between the quotes of a JSON string.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_urls_map_to_the_project_files_and_back() {
        let paths = InspectPaths::new("/app/0f3a/", "/home/me/my shop/");
        let sent = r#"{"url":"file:///app/0f3a/lib/bid.js"}"#;
        let seen = paths.to_client(sent);
        assert_eq!(seen, r#"{"url":"file:///home/me/my shop/lib/bid.js"}"#);
        assert_eq!(paths.to_instance(&seen), sent);
        let by_url = r#"{"url":"file:///home/me/my%20shop/lib/bid.js"}"#;
        assert_eq!(paths.to_instance(by_url), sent);
    }

    #[test]
    fn regex_breakpoints_map_to_the_running_code_version() {
        let paths = InspectPaths::new("/app/0f3a/", "/home/me.too/shop/");
        let sent = r#"{"urlRegex":"file:\\/\\/\\/home\\/me\\.too\\/shop\\/bid\\.js"}"#;
        let got = paths.to_instance(sent);
        assert_eq!(got, r#"{"urlRegex":"file:\\/\\/\\/app\\/0f3a\\/bid\\.js"}"#);
    }

    #[test]
    fn paths_in_the_state_folder_map_to_themselves() {
        let paths = InspectPaths::new("/shop/.fnlocal/code/shop/0f3a/", "/shop/");
        let deps = r#"{"url":"file:///shop/.fnlocal/deps/x.js"}"#;
        assert_eq!(paths.to_instance(&paths.to_client(deps)), deps);
        let own = r#"{"url":"file:///shop/bid.js"}"#;
        let inside = r#"{"url":"file:///shop/.fnlocal/code/shop/0f3a/bid.js"}"#;
        assert_eq!(paths.to_instance(own), inside);
        assert_eq!(paths.to_client(inside), own);
    }
}
