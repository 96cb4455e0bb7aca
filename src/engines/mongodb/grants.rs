//! How the login that watches is made: a script for mongosh, and the shell line that runs it.

use crate::engines::contract::{Facts, LATEST, Place, Version, named, privileges};
use crate::engines::mongodb::monitor::ROWS;
use crate::engines::mongodb::monitor::pbm::COLLECTIONS;

/// The script. `passwordPrompt()` asks at the terminal, so that no history has the password.
pub fn script(login: &str, version: Option<Version>, _kind: &str) -> String {
    let facts = Facts { version: version.unwrap_or(LATEST), ..Facts::default() };
    let role = |privilege: &str| {
        let (role, database) = privilege.split_once('@').unwrap_or((privilege, "admin"));
        format!(r#"{{ "role": "{role}", "db": "{database}" }}"#)
    };
    // What the usual rows need reads the optional ones too, but for one, which reads documents.
    let (own, usual): (Vec<&str>, Vec<&str>) =
        privileges(ROWS, &facts).into_iter().partition(|privilege| privilege.starts_with("pbm"));
    let roles: Vec<String> = usual.into_iter().map(role).collect();
    let optional: String = own.into_iter().map(|privilege| reader(login, privilege)).collect();
    format!(
        "// The login with which Watchward watches {}: it reads statistics, and nobody's documents.\n\
         // For mongosh as a user administrator, on the primary. It asks for the new login's password.\n\
         db.getSiblingDB(\"admin\").createUser({{\n  \
           \"user\": \"{login}\",\n  \
           \"pwd\": passwordPrompt(),\n  \
           \"roles\": [{}]\n\
         }})\n{optional}",
        named("MongoDB", version),
        roles.join(", ")
    )
}

/// For the row that reads what Percona Backup for MongoDB keeps, in comments: a role of its own.
fn reader(login: &str, privilege: &str) -> String {
    let name = privilege.split('@').next().unwrap_or(privilege);
    let collections = COLLECTIONS.map(|collection| {
        format!(
            "{{ \"resource\": {{ \"db\": \"admin\", \"collection\": \"{collection}\" }}, \"actions\": [\"find\"] }}"
        )
    });
    format!(
        "// For the optional row pbm:\n\
         // db.getSiblingDB(\"admin\").createRole({{ \"role\": \"{name}\", \"roles\": [], \"privileges\": [{}] }})\n\
         // db.getSiblingDB(\"admin\").grantRolesToUser(\"{login}\", [\"{name}\"])\n",
        collections.join(", ")
    )
}

pub fn line(place: &Place<'_>) -> String {
    let Place { script, url, login, .. } = place;
    let port = if url.port == 0 { 27017 } else { url.port };
    format!(
        "{script} > {login}.js && mongosh --port {port} --file {login}.js   # as a user administrator (--username NAME); paste the new password from its file"
    )
}
