//! Checks across sections, and of single sections beyond what their keys' kinds say.

use crate::config::doors;
use crate::config::problem::Report;
use crate::config::targets::{Tenant, tenant_names, unknown};
use crate::model::fault::Fault;
use crate::model::schema::Table;

/// `[agent]`: its name.
pub fn agent(table: &Table, report: &mut Report) {
    if let (true, Some(origin)) = (table.text("name").trim().is_empty(), table.origin("name")) {
        report
            .problem(origin, Fault::new("config-05", "name is empty").hint("Leave it out to use the machine's name."));
    }
}

/// `[serve]`: where it listens, and for whom.
pub fn serve(table: &Table, tenants: &[Tenant], report: &mut Report) {
    doors::check(table, report);
    let anonymous = table.text("anonymous");
    let Some(origin) = table.origin("anonymous").filter(|_| anonymous.trim() != "*") else { return };
    let known = tenant_names(tenants);
    for name in anonymous.split(',').map(str::trim).filter(|name| !name.is_empty() && !known.contains(name)) {
        report.problem(origin, unknown("tenant", name, &known));
    }
}
