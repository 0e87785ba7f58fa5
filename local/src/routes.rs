//! Which route a request belongs to.

use crate::error::{Error, Result};
use crate::template::RouteSpec;
use percent_encoding::percent_decode_str;
use std::collections::{BTreeMap, BTreeSet};

/// The API's routes, the most specific first.
pub struct Routes(Vec<Route>);

struct Route {
    segments: Vec<Segment>,
    spec: RouteSpec,
}

/// The order is by how specific a segment is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
    /// `{name+}`: this segment and all that follow.
    Rest(String),
}

/// A route and what its parameters stand for.
#[derive(Debug)]
pub struct Match<'a> {
    /// The route.
    pub spec: &'a RouteSpec,
    /// Its parameters, percent-decoded.
    pub parameters: BTreeMap<String, String>,
}

impl Routes {
    /// Sorts the routes; two that match the same requests are an error.
    pub fn new(specs: &[RouteSpec]) -> Result<Self> {
        let mut routes = Vec::new();
        let mut taken = BTreeSet::new();
        for spec in specs {
            let segments = segments(spec)?;
            let shape: Vec<_> = segments.iter().map(Segment::shape).collect();
            if !taken.insert((spec.method.clone(), shape)) {
                return Err(Error::new(format!(
                    "route {} {} is there twice",
                    spec.method, spec.path
                )));
            }
            routes.push(Route {
                segments,
                spec: spec.clone(),
            });
        }
        routes.sort_by_cached_key(|route| {
            let ranks: Vec<_> = route.segments.iter().map(Segment::rank).collect();
            (ranks, route.spec.method == "ANY")
        });
        Ok(Self(routes))
    }

    /// The most specific route of this method and raw path.
    pub fn find(&self, method: &str, path: &str) -> Option<Match<'_>> {
        // Split first: an encoded slash belongs to its segment.
        let path: Vec<_> = path.strip_prefix('/')?.split('/').map(decode).collect();
        self.0
            .iter()
            .filter(|route| [method, "ANY"].contains(&route.spec.method.as_str()))
            .find_map(|route| {
                let parameters = route.parameters(&path)?;
                Some(Match {
                    spec: &route.spec,
                    parameters,
                })
            })
    }
}

impl Route {
    fn parameters(&self, path: &[String]) -> Option<BTreeMap<String, String>> {
        let mut parameters = BTreeMap::new();
        let mut rest = path;
        for segment in &self.segments {
            let (first, others) = rest.split_first()?;
            match segment {
                Segment::Literal(text) if text == first => {}
                Segment::Parameter(name) if !first.is_empty() => {
                    parameters.insert(name.clone(), first.clone());
                }
                Segment::Rest(name) if !first.is_empty() => {
                    parameters.insert(name.clone(), rest.join("/"));
                    return Some(parameters);
                }
                _ => return None,
            }
            rest = others;
        }
        rest.is_empty().then_some(parameters)
    }
}

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Parameter(_) => 1,
            Self::Rest(_) => 2,
        }
    }

    fn shape(&self) -> (u8, String) {
        match self {
            Self::Literal(text) => (self.rank(), text.clone()),
            Self::Parameter(_) | Self::Rest(_) => (self.rank(), String::new()),
        }
    }
}

fn segments(spec: &RouteSpec) -> Result<Vec<Segment>> {
    let segments: Vec<_> = spec
        .path
        .trim_start_matches('/')
        .split('/')
        .map(|text| {
            match text
                .strip_prefix('{')
                .and_then(|text| text.strip_suffix('}'))
            {
                None => Segment::Literal(text.to_owned()),
                Some(name) => match name.strip_suffix('+') {
                    None => Segment::Parameter(name.to_owned()),
                    Some(name) => Segment::Rest(name.to_owned()),
                },
            }
        })
        .collect();
    let rest = segments
        .iter()
        .position(|segment| matches!(segment, Segment::Rest(_)));
    if rest.is_some_and(|at| at + 1 < segments.len()) {
        return Err(Error::new(format!(
            "route {}: {{name+}} must be its last segment",
            spec.path
        )));
    }
    Ok(segments)
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(list: &[&str]) -> Result<Routes> {
        let specs: Vec<_> = list
            .iter()
            .map(|route| {
                let (method, path) = route.split_once(' ').unwrap();
                let (method, path) = (method.to_owned(), path.to_owned());
                RouteSpec {
                    method,
                    path,
                    function: String::new(),
                    authorizer: None,
                }
            })
            .collect();
        Routes::new(&specs)
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = routes(&[
            "ANY /{rest+}",
            "GET /v1/{a}/read",
            "GET /v1/things/{id}",
            "ANY /v1/things/{id}",
            "GET /v1/things/new",
        ])
        .unwrap();
        let check = |method, path| {
            routes
                .find(method, path)
                .map(|found| format!("{} {}", found.spec.method, found.spec.path))
        };
        assert_eq!(
            check("GET", "/v1/things/new").unwrap(),
            "GET /v1/things/new"
        );
        assert_eq!(check("GET", "/v1/things/7").unwrap(), "GET /v1/things/{id}");
        assert_eq!(check("PUT", "/v1/things/7").unwrap(), "ANY /v1/things/{id}");
        assert_eq!(
            check("GET", "/v1/things/read").unwrap(),
            "GET /v1/things/{id}"
        );
        assert_eq!(check("GET", "/v1/x/read").unwrap(), "GET /v1/{a}/read");
        assert_eq!(check("GET", "/v1/things/").unwrap(), "ANY /{rest+}");
        assert_eq!(check("GET", "/"), None);
    }

    #[test]
    fn parameters_are_decoded_segment_by_segment() {
        let routes = routes(&["GET /v1/{id}"]).unwrap();
        let check = |path| {
            routes
                .find("GET", path)
                .map(|found| found.parameters["id"].clone())
        };
        assert_eq!(check("/v1/a%2Fb%20c").unwrap(), "a/b c");
        assert_eq!(check("/v1/caf%C3%A9+").unwrap(), "café+");
        for path in ["/v1/", "/v1", "/v1/a/b", "/v1/a/", "//v1/a", "*"] {
            assert_eq!(check(path), None, "{path}");
        }
        assert!(routes.find("HEAD", "/v1/a").is_none());
    }

    #[test]
    fn equal_routes_are_refused() {
        assert!(routes(&["GET /{a}", "GET /{b}"]).is_err());
        assert!(routes(&["GET /{a+}/b"]).is_err());
    }
}
