//! The rules in force: those built in, those of rule files, and what thresholds expand to.

use std::path::Path;

use crate::config::problem::Report;
use crate::config::{Configuration, Thresholds};
use crate::engines;
use crate::judge;
use crate::judge::rules::{LoadLimits, Rules};
use crate::judge::thresholds::{self, TargetThresholds, Wanted};
use crate::model::catalogue::Threshold;
use crate::model::fault::Fault;
use crate::model::schema::Table;
use crate::model::target::Target;
use crate::sys::files;

/// Reads and checks every rule. `judge` is its section, `alert` the one whose thresholds are expanded.
pub fn build(
    config: &judge::Config,
    thresholds: &Thresholds,
    targets: &[Target],
    (judge, alert): (&Table, &Table),
    report: &mut Report,
) -> Rules {
    let limits = LoadLimits { rules_max: config.rules_max, ..LoadLimits::default() };
    let mut texts = rule_files(config, judge, limits.file_bytes_max, report);
    if config.builtin_rules {
        texts.splice(0..0, judge::builtin::files());
    }
    let mut rules = Rules::load(&texts, &limits).unwrap_or_else(|faults| {
        let origin = judge.origin("rule_files").unwrap_or(&judge.origin).clone();
        faults.into_iter().for_each(|fault| report.problem(&origin, fault));
        Rules::default()
    });
    let catalogue = engines::catalogue();
    let mut wanted = wanted(thresholds, targets);
    leave_out_refused(&mut wanted, catalogue.thresholds());
    match thresholds::expand(catalogue.thresholds(), &wanted) {
        Ok(expanded) => {
            rules.groups.extend(expanded.groups);
            rules.ceilings.extend(expanded.ceilings);
        }
        Err(faults) => {
            let origin = alert.origin("thresholds").unwrap_or(&alert.origin).clone();
            faults.into_iter().for_each(|fault| report.problem(&origin, fault));
        }
    }
    rules
}

fn wanted(thresholds: &Thresholds, targets: &[Target]) -> Wanted {
    let own = |target: &Target| TargetThresholds {
        tenant: target.tenant.clone(),
        name: target.name.clone(),
        engine: target.engine.clone(),
        values: target.thresholds.clone(),
    };
    Wanted {
        global: thresholds.global.clone(),
        tenants: thresholds.tenants.clone(),
        targets: targets.iter().filter(|target| !target.thresholds.is_empty()).map(own).collect(),
    }
}

/// Thresholds that nothing knows were told where they stand; the rules of the others are checked all the same.
fn leave_out_refused(wanted: &mut Wanted, rows: &[Threshold]) {
    let is_known =
        |key: &str, engine: &str| rows.iter().any(|row| row.key == key && (engine.is_empty() || row.engine == engine));
    wanted.global.retain(|key, _| is_known(key, ""));
    wanted.tenants.values_mut().for_each(|values| values.retain(|key, _| is_known(key, "")));
    for target in &mut wanted.targets {
        target.values.retain(|key, _| is_known(key, &target.engine));
    }
}

fn rule_files(config: &judge::Config, table: &Table, bytes_max: usize, report: &mut Report) -> Vec<(String, String)> {
    let origin = table.origin("rule_files").cloned().unwrap_or_default();
    let mut texts = Vec::new();
    for pattern in &config.rule_files {
        let paths = match files::expand(Path::new(pattern)) {
            Ok(paths) => paths,
            Err(error) => {
                report.problem(&origin, unreadable(pattern, &error));
                continue;
            }
        };
        if paths.is_empty() {
            let fault = Fault::new("config-14", format!("rule_files '{pattern}' names no file"));
            report.warning(&origin, fault.hint("Is the folder right?"));
        }
        for path in paths {
            match files::read_text(&path, bytes_max) {
                Ok(text) => texts.push((path.display().to_string(), text)),
                Err(error) => report.problem(&origin, unreadable(&path.display().to_string(), &error)),
            }
        }
    }
    texts
}

fn unreadable(file: &str, error: &std::io::Error) -> Fault {
    Fault::new("config-09", format!("the rule file {file} cannot be read: {error}")).hint(files::hint(error))
}

/// The rules as a Prometheus rule file.
pub fn text(configuration: &Configuration) -> String {
    judge::print::render(&configuration.rules.groups)
}
