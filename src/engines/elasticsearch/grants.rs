//! How the login that watches is made: a shell script of requests, for OpenSearch with other words than Elasticsearch's.

use serde_json::{Value, json};

use crate::engines::contract::{Facts, LATEST, Place, Version, named, privileges};
use crate::engines::elasticsearch::monitor::ROWS;
use crate::engines::elasticsearch::session::{OPENSEARCH, STREAMS, X_PACK};

/// What OpenSearch calls Elasticsearch's privileges.
const ACTIONS: &[(&str, &[&str])] = &[
    ("monitor", &["cluster_monitor"]),
    ("monitor_snapshot", &["cluster:admin/snapshot/get", "cluster:admin/repository/get"]),
];

/// The script: a role, a user, and where it takes one its mapping. curl asks for the administrator's password itself.
pub fn script(login: &str, version: Option<Version>, kind: &str) -> String {
    let is_opensearch = kind == OPENSEARCH;
    let capabilities = if is_opensearch { [STREAMS].into() } else { [STREAMS, X_PACK].into() };
    let version_of_rights = version.unwrap_or(LATEST);
    let facts = Facts { version: version_of_rights, flavour: kind.to_string(), capabilities, ..Facts::default() };
    let all = privileges(ROWS, &facts);
    let of = |scope: &str| -> Vec<&str> {
        all.iter().filter_map(|one| one.strip_prefix(scope)?.strip_prefix(' ')).collect()
    };
    let (cluster, indices) = (of("cluster"), of("indices"));
    let (administrator, requests) = if is_opensearch {
        let actions = |name: &&str| ACTIONS.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, own)| *own);
        let cluster: Vec<&str> = cluster.iter().flat_map(actions).copied().collect();
        let actions = |name: &&str| match *name {
            "view_index_metadata" => "indices:admin/mappings/get".to_string(),
            name => format!("indices_{name}"),
        };
        let indices: Vec<String> = indices.iter().map(actions).collect();
        let role = json!({ "cluster_permissions": cluster,
            "index_permissions": [{ "index_patterns": ["*"], "allowed_actions": indices }] });
        let api = "_plugins/_security/api";
        let user = request(&format!("{api}/internalusers/{login}"), &json!({ "password": PASSWORD }));
        let mapping = request(&format!("{api}/rolesmapping/{login}"), &json!({ "users": [login] }));
        ("admin", format!("{}{user}{mapping}", request(&format!("{api}/roles/{login}"), &role)))
    } else {
        let role = json!({ "cluster": cluster, "indices": [{ "names": ["*"], "privileges": indices }] });
        let user = request(&format!("_security/user/{login}"), &json!({ "password": PASSWORD, "roles": [login] }));
        ("elastic", format!("{}{user}", request(&format!("_security/role/{login}"), &role)))
    };
    let server = named(if is_opensearch { "OpenSearch" } else { "Elasticsearch" }, version);
    format!(
        "# The login with which Watchward watches {server}: it reads statistics, and nobody's documents.\n\
         # For sh, with the new login's password in a file: PASSWORD_FILE=… URL=https://localhost:9200 sh SCRIPT\n\
         # curl asks for the password of {administrator}; give it --cacert where the certificate is your own.\n\
         put() {{ curl -sS -f -u {administrator} -H 'Content-Type: application/json' -X PUT \"$URL/$1\" -d @-; echo; }}\n\
         {requests}"
    )
}

/// The shell puts the password in, on standard input, where no list of processes shows it.
const PASSWORD: &str = "$(cat \"$PASSWORD_FILE\")";

fn request(path: &str, body: &Value) -> String {
    let body = body.to_string().replace("\\\"", "\""); // the quotes in $(…) are the shell's, not JSON's
    format!("put {path} <<END\n{body}\nEND\n")
}

pub fn line(place: &Place<'_>) -> String {
    let Place { script, password_file, url, login, .. } = place;
    let port = if url.port == 0 { 9200 } else { url.port };
    let scheme = if url.scheme == "https" { "https" } else { "http" };
    format!("{script} > {login}.sh && PASSWORD_FILE={password_file} URL={scheme}://localhost:{port} sh {login}.sh")
}
