//! Policies: what act reads of their sections, checked against the tenants and targets they name.

use crate::act;
use crate::config::problem::{Report, shown_name};
use crate::config::targets::{Tenant, tenant_names, unknown};
use crate::engines;
use crate::model::calendar::Zone;
use crate::model::fault::Fault;
use crate::model::policy::Policy;
use crate::model::schema::{Origin, Table};
use crate::model::target::{SecretSource, Target};

/// The policies; every problem of theirs is told. `timezone` is the agent's, whose own problem is told elsewhere.
pub fn read(root: &Table, timezone: &str, targets: &[Target], tenants: &[Tenant], report: &mut Report) -> Vec<Policy> {
    let tables = root.tables("policy");
    let zone = Zone::find(timezone).unwrap_or(Zone::UTC);
    for table in &tables {
        if check_tenant(table, tenants, report) {
            check_target(table, root, targets, report);
        }
    }
    act::config::read(&tables, &zone).unwrap_or_else(|mistakes| {
        // A value that the walk refused looks absent to its stage: it is told once.
        let known: Vec<Origin> = report.problems.iter().map(|problem| problem.origin.clone()).collect();
        let new = mistakes.into_iter().filter(|mistake| !known.contains(&mistake.origin));
        new.for_each(|mistake| report.problem(&mistake.origin, mistake.fault));
        Vec::new()
    })
}

/// Whether its tenant is one.
fn check_tenant(table: &Table, tenants: &[Tenant], report: &mut Report) -> bool {
    let (tenant, known) = (table.text("tenant"), tenant_names(tenants));
    if let (false, Some(origin)) = (known.contains(&tenant), table.origin("tenant")) {
        report.problem(origin, unknown("tenant", tenant, &known));
    }
    known.contains(&tenant)
}

/// A policy touches targets of its own tenant, whose engine has something to set, and with a login for that.
fn check_target(table: &Table, root: &Table, targets: &[Target], report: &mut Report) {
    let Some(set) = table.table("do").and_then(|table| table.table("set")) else { return };
    let (Some(origin), name, tenant) = (set.origin("target"), set.text("target"), table.text("tenant")) else { return };
    let of_tenant = root.tables("target").into_iter().filter(|one| one.text("tenant") == tenant);
    let known: Vec<&str> = of_tenant.map(|one| one.text("name")).collect();
    if !known.contains(&name) {
        let noun = format!("target of tenant '{}'", shown_name(tenant));
        let fault = unknown(&noun, name, &known);
        let fault = if known.is_empty() { fault.hint("The tenant has no targets.") } else { fault };
        return report.problem(origin, fault);
    }
    // One that has a problem of its own is not among them; that is told there.
    let Some(target) = targets.iter().find(|one| one.tenant == tenant && one.name == name) else { return };
    let shown = shown_name(name);
    if !engines::find(&target.engine).is_some_and(|engine| engine.can_set()) {
        let what =
            format!("target '{shown}' has engine '{}', which has nothing that a policy could set", target.engine);
        return report.problem(origin, Fault::new("config-10", what));
    }
    let asks_for_nothing = target.is_local() && target.password == SecretSource::None;
    if target.action.is_none() && !asks_for_nothing {
        let what = format!("target '{shown}' has no login with which a policy could change it");
        let hint = "Give it action = { user = \"…\", password_file = \"…\" }: a login of its own, for changes alone.";
        report.problem(origin, Fault::new("config-10", what).hint(hint));
    }
}
