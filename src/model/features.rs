//! Switches for whole capabilities: what is off is refused, with that reason. On, they permit what is configured elsewhere.

use crate::model::fault::Fault;

/// Which capabilities are on: `[features]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    pub ai_optimization: bool,
    pub real_time_monitoring: bool,
    pub automated_failover: bool,
    pub compliance_scanning: bool,
}

impl Default for Features {
    fn default() -> Features {
        Features {
            ai_optimization: true,
            real_time_monitoring: true,
            automated_failover: true,
            compliance_scanning: true,
        }
    }
}

/// One capability that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Policies that change a setting.
    AiOptimization,
    /// The live stream.
    RealTimeMonitoring,
    AutomatedFailover,
    ComplianceScanning,
}

impl Feature {
    /// Its key in `[features]`.
    pub fn word(self) -> &'static str {
        match self {
            Feature::AiOptimization => "ai_optimization",
            Feature::RealTimeMonitoring => "real_time_monitoring",
            Feature::AutomatedFailover => "automated_failover",
            Feature::ComplianceScanning => "compliance_scanning",
        }
    }
}

impl Features {
    pub fn has(self, feature: Feature) -> bool {
        match feature {
            Feature::AiOptimization => self.ai_optimization,
            Feature::RealTimeMonitoring => self.real_time_monitoring,
            Feature::AutomatedFailover => self.automated_failover,
            Feature::ComplianceScanning => self.compliance_scanning,
        }
    }

    /// Asks whether a capability may be used.
    ///
    /// # Errors
    /// `feature-01`: it is switched off, and where.
    pub fn require(self, feature: Feature) -> Result<(), Fault> {
        if self.has(feature) {
            return Ok(());
        }
        let word = feature.word();
        Err(Fault::new("feature-01", format!("{word} is switched off"))
            .detail(format!("The configuration says {word} = false in [features]."))
            .hint("Set it to true there, and reload the agent."))
    }
}
