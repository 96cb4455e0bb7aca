//! Thresholds stand at four levels, and the nearest wins: target, tenant, environment, global.

use watchward::config::render::render;
use watchward::config::rules;

use super::sound;

const GLOBAL: usize = 0;
const ENVIRONMENT: usize = 1;
const TENANT: usize = 2;
const TARGET: usize = 3;

/// The value that stands at each level.
const VALUES: [u32; 4] = [11, 22, 33, 44];

/// A configuration with a threshold at the levels whose bits are set.
fn toml(levels: u32) -> String {
    let at = |level: usize, before: &str, after: &str| match levels >> level & 1 {
        1 => format!("{before}cpu_usage = {}{after}", VALUES[level]),
        _ => String::new(),
    };
    let host = "engine = \"host\"\n";
    format!(
        "[agent]\nenvironment = \"production\"\n[judge]\nbuiltin_rules = false\n{}\n[environment.production]\n{}\n\
         [[tenant]]\nid = \"acme\"\n{}\n[[tenant]]\nid = \"zeta\"\n\
         [[target]]\nname = \"here\"\ntenant = \"acme\"\n{host}{}\n\
         [[target]]\nname = \"there\"\ntenant = \"acme\"\n{host}[[target]]\nname = \"here\"\ntenant = \"zeta\"\n{host}",
        at(GLOBAL, "[alert.thresholds]\n", ""),
        at(ENVIRONMENT, "alert.thresholds = { ", " }"),
        at(TENANT, "thresholds = { ", " }"),
        at(TARGET, "thresholds = { ", " }"),
    )
}

/// The limits of all printed rules that see the series of this target, by the matchers that stand in them.
fn limits(rules: &str, tenant: &str, target: &str) -> Vec<u32> {
    let sees = |expression: &str, label: &str, value: &str| {
        !expression.contains(&format!("{label}!=\"{value}\""))
            && (!expression.contains(&format!("{label}=\"")) || expression.contains(&format!("{label}=\"{value}\"")))
    };
    rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "))
        .filter(|expression| sees(expression, "tenant", tenant) && sees(expression, "target", target))
        .map(|expression| expression.rsplit("> ").next().expect("a limit").parse().expect("a number"))
        .collect()
}

#[test]
fn the_nearest_of_target_tenant_environment_and_global_wins() {
    for levels in 0..16 {
        let loaded = sound(&toml(levels));
        let rules = rules::text(&loaded.configuration);
        let nearest = |order: &[usize]| -> Vec<u32> {
            order.iter().find(|level| levels >> **level & 1 == 1).map(|level| VALUES[*level]).into_iter().collect()
        };
        for (tenant, target, order) in [
            ("acme", "here", &[TARGET, TENANT, ENVIRONMENT, GLOBAL][..]),
            ("acme", "there", &[TENANT, ENVIRONMENT, GLOBAL]),
            ("zeta", "here", &[ENVIRONMENT, GLOBAL]),
        ] {
            assert_eq!(limits(&rules, tenant, target), nearest(order), "{levels:04b}: {tenant}/{target} in\n{rules}");
        }

        // check-config shows what stands at each level, and the environment's in place of the global one.
        let shown = render(&loaded);
        for (level, value) in VALUES.iter().enumerate() {
            let is_hidden = level == GLOBAL && levels >> ENVIRONMENT & 1 == 1;
            let is_shown = shown.contains(&format!("thresholds.cpu_usage = {value} "));
            assert_eq!(is_shown, levels >> level & 1 == 1 && !is_hidden, "{levels:04b}: {value} in\n{shown}");
        }
        let overlaid =
            shown.lines().any(|line| line.contains("= 22 ") && line.ends_with("in [environment.production]"));
        assert_eq!(overlaid, levels >> ENVIRONMENT & 1 == 1, "{shown}");
    }
}
