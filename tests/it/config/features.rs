//! `[features]`: what is off is refused, with that reason.

use watchward::model::features::{Feature, Features};

use super::{check, sound};

const ALL: [Feature; 4] =
    [Feature::AiOptimization, Feature::RealTimeMonitoring, Feature::AutomatedFailover, Feature::ComplianceScanning];

#[test]
fn everything_is_on_unless_it_is_switched_off() {
    assert_eq!(sound("").configuration.features, Features::default());
    for off in ALL {
        let features = sound(&format!("[features]\n{} = false\n", off.word())).configuration.features;
        for feature in ALL {
            assert_eq!(features.has(feature), feature != off, "{} with {} off", feature.word(), off.word());
            assert_eq!(features.require(feature).is_ok(), feature != off);
        }
    }
}

#[test]
fn what_is_off_is_refused_with_that_reason() {
    let features = sound("[features]\nai_optimization = false\n").configuration.features;
    assert_eq!(
        features.require(Feature::AiOptimization).expect_err("off").to_string(),
        "ai_optimization is switched off [feature-01]\n\
         detail: The configuration says ai_optimization = false in [features].\n\
         hint: Set it to true there, and reload the agent."
    );
}

#[test]
fn an_environment_switches_off_too_and_a_switch_is_true_or_false() {
    let toml = "[agent]\nenvironment = \"p\"\n[environment.p.features]\nreal_time_monitoring = false\n";
    let features = sound(toml).configuration.features;
    assert_eq!(features, Features { real_time_monitoring: false, ..Features::default() });
    check(
        "[features]\nai_optimisation = true\nautomated_failover = \"no\"\n",
        &[
            "agent.toml:2:1: unknown key 'ai_optimisation' in [features] [config-03] | hint: Did you mean 'ai_optimization'?",
            "agent.toml:3:22: automated_failover is 'no', not true or false [config-04] | hint: Write it without quotes.",
        ],
    );
}
