//! Routes: paths with parameters that lead to functions.

use std::collections::BTreeMap;
use std::fmt;

use matchit::{InsertError, Router};
use serde::{Deserialize, Serialize};

/// Paths of a project's routes, and the function that each leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// The path, such as `/users/{id}`. A last segment `{rest+}` takes all that is left.
    pub path: String,
    /// The methods in capitals; empty for all.
    pub methods: Vec<String>,
    /// The function's name.
    pub function: String,
}

/// The maximum number of routes of a project.
pub const MAX_ROUTES: usize = 1000;

/// Why routes cannot be served together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConflict {
    /// The position of the route that does not fit to those before it.
    pub index: usize,
    /// The reason.
    pub why: String,
}

impl fmt::Display for RouteConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for RouteConflict {}

/// The routes of a project, the most specific first.
#[derive(Clone, Default)]
pub struct RouteTable {
    router: Router<usize>,
    places: Vec<RoutePlace>,
}

/// One path and its functions by method.
#[derive(Clone, Debug, Default)]
struct RoutePlace {
    path: String,
    /// The pattern begins with a parameter, so that a function's own name is more specific.
    vague: bool,
    by_method: BTreeMap<String, String>,
    any: Option<String>,
}

/// A route that a request takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// The function's name.
    pub function: String,
    /// The route as API Gateway writes it: a method or `ANY`, and the path.
    pub key: String,
    /// The parameters of its path, as they were sent.
    pub params: Vec<(String, String)>,
    /// The path begins with a parameter, so that a function of that name comes first.
    pub vague: bool,
}

/// The result of looking for a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteLookup {
    /// No path fits.
    None,
    /// A route.
    Found(RouteMatch),
    /// A path fits, but with these methods only.
    Methods {
        /// The methods.
        allowed: Vec<String>,
        /// The path begins with a parameter.
        vague: bool,
    },
}

impl RouteTable {
    /// Makes the table.
    ///
    /// # Errors
    /// The first route that cannot be served beside those before it.
    pub fn new(routes: &[RouteSpec]) -> Result<Self, RouteConflict> {
        let mut table = Self::default();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for (index, route) in routes.iter().enumerate() {
            let fail = |why| RouteConflict { index, why };
            if index >= MAX_ROUTES {
                return Err(fail(format!("more than {MAX_ROUTES} routes")));
            }
            let pattern = pattern_of(&route.path).map_err(fail)?;
            let place = match known.get(&pattern) {
                Some(place) => *place,
                None => {
                    let place = table.places.len();
                    let inserted = table.router.insert(pattern.clone(), place);
                    inserted.map_err(|error| fail(conflict(&route.path, &error)))?;
                    table.places.push(RoutePlace {
                        path: route.path.clone(),
                        vague: pattern.starts_with("/{"),
                        ..RoutePlace::default()
                    });
                    known.insert(pattern, place);
                    place
                }
            };
            table.places[place].add(route).map_err(fail)?;
        }
        Ok(table)
    }

    /// Returns whether there is no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Looks for the route of a request.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> RouteLookup {
        if self.is_empty() {
            return RouteLookup::None;
        }
        let Ok(matched) = self.router.at(path) else {
            return RouteLookup::None;
        };
        let place = &self.places[*matched.value];
        let vague = place.vague;
        let (word, function) = match (place.by_method.get(method), &place.any) {
            (Some(function), _) => (method, function),
            // A HEAD is a GET without its body.
            (None, _) if method == "HEAD" && place.by_method.contains_key("GET") => {
                ("GET", &place.by_method["GET"])
            }
            (None, Some(function)) => ("ANY", function),
            (None, None) => {
                let allowed = place.by_method.keys().cloned().collect();
                return RouteLookup::Methods { allowed, vague };
            }
        };
        let params = matched.params.iter();
        RouteLookup::Found(RouteMatch {
            function: function.clone(),
            key: format!("{word} {}", place.path),
            params: params
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            vague,
        })
    }
}

impl RoutePlace {
    fn add(&mut self, route: &RouteSpec) -> Result<(), String> {
        let taken = |word: &str| format!("{word} {} has a route already", route.path);
        if route.methods.is_empty() && self.any.replace(route.function.clone()).is_some() {
            return Err(taken("ANY"));
        }
        for method in &route.methods {
            let known = method.len() <= 32 && method.bytes().all(|byte| byte.is_ascii_uppercase());
            if method.is_empty() || !known {
                return Err(format!("`{method}` is no method: write it in capitals"));
            }
            let before = self
                .by_method
                .insert(method.clone(), route.function.clone());
            if before.is_some() {
                return Err(taken(method));
            }
        }
        Ok(())
    }
}

/// The path in the form of the library: `{rest+}` is `{*rest}` there.
fn pattern_of(path: &str) -> Result<String, String> {
    if !path.starts_with('/') || path.len() > 512 {
        return Err(format!(
            "`{path}` is no path: it begins with a slash and has at most 512 bytes"
        ));
    }
    if path == "/_fnlocal" || path.starts_with("/_fnlocal/") {
        return Err(format!("`{path}` is the platform's own"));
    }
    let segments: Vec<String> = path[1..]
        .split('/')
        .map(segment_of)
        .collect::<Result<_, _>>()?;
    Ok(format!("/{}", segments.join("/")))
}

fn segment_of(segment: &str) -> Result<String, String> {
    let Some(inner) = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return if segment.contains(['{', '}', '*', '?', '#']) {
            Err(format!(
                "`{segment}` is no segment of a path: a parameter such as {{id}} is all of one"
            ))
        } else {
            Ok(segment.to_owned())
        };
    };
    let (star, name) = match (inner.strip_suffix('+'), inner.strip_prefix('*')) {
        (Some(name), _) | (_, Some(name)) => ("*", name),
        (None, None) => ("", inner),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!(
            "`{segment}` is no parameter: its name has letters, digits, `_` or `-`"
        ));
    }
    Ok(format!("{{{star}{name}}}"))
}

fn conflict(path: &str, error: &InsertError) -> String {
    match error {
        InsertError::Conflict { with } => format!("{path} and {with} are the same to a request"),
        other => format!("{path}: {other}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

    use super::*;

    fn route(methods: &[&str], path: &str, function: &str) -> RouteSpec {
        RouteSpec {
            path: path.to_owned(),
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            function: function.to_owned(),
        }
    }

    fn found(
        table: &RouteTable,
        method: &str,
        path: &str,
    ) -> (String, String, Vec<(String, String)>) {
        match table.find(method, path) {
            RouteLookup::Found(one) => (one.function, one.key, one.params),
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    #[test]
    fn the_most_specific_route_is_taken_whatever_its_place() {
        let table = RouteTable::new(&[
            route(&[], "/{proxy+}", "rest"),
            route(&["GET"], "/users/{id}", "one"),
            route(&["GET"], "/users/me", "me"),
            route(&["POST", "PUT"], "/users/{id}", "write"),
            route(&[], "/users/{id}/{file+}", "files"),
        ])
        .unwrap();
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let one = found(&table, "GET", "/users/7");
        assert_eq!(
            one,
            ("one".into(), "GET /users/{id}".into(), pair("id", "7"))
        );
        assert_eq!(found(&table, "HEAD", "/users/7").0, "one");
        assert_eq!(found(&table, "GET", "/users/me").0, "me");
        assert_eq!(found(&table, "PUT", "/users/me%2F").0, "write");
        assert_eq!(found(&table, "GET", "/a/b").1, "ANY /{proxy+}");
        let files = found(&table, "GET", "/users/7/a/b").2;
        assert_eq!(files, [pair("id", "7"), pair("file", "a/b")].concat());
        let RouteLookup::Methods { allowed, vague } = table.find("DELETE", "/users/7") else {
            panic!("another method is no route");
        };
        assert_eq!(
            (allowed, vague),
            (vec!["GET".into(), "POST".into(), "PUT".into()], false)
        );
        let RouteLookup::Found(rest) = table.find("GET", "/a") else {
            panic!("the rest has a route");
        };
        assert!(rest.vague);
    }

    #[test]
    fn routes_that_a_request_cannot_tell_apart_are_refused() {
        for (second, why) in [
            (route(&[], "/users/{id}", "b"), "a route already"),
            (route(&[], "/users/{name}", "b"), "the same to a request"),
            (route(&["get"], "/other", "b"), "in capitals"),
            (route(&[], "users", "b"), "begins with a slash"),
            (route(&[], "/users/x{id}", "b"), "is all of one"),
            (route(&[], "/a/{x+}/b", "b"), "/a/{x+}/b"),
            (route(&[], "/_fnlocal/view", "b"), "the platform's own"),
            (route(&[], "/{}", "b"), "is no parameter"),
        ] {
            let routes = [route(&[], "/users/{id}", "a"), second];
            let error = RouteTable::new(&routes).err().unwrap();
            assert_eq!(error.index, 1, "{error}");
            assert!(error.why.contains(why), "{error}");
        }
        let both = [route(&["GET"], "/a", "a"), route(&[], "/a", "b")];
        let table = RouteTable::new(&both).unwrap();
        assert_eq!(found(&table, "GET", "/a").0, "a");
        assert_eq!(found(&table, "POST", "/a").0, "b");
    }
}
