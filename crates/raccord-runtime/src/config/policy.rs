//! Which client settings connectors may override.

use super::WorkerConfig;

/// A `ConnectorClientConfigOverridePolicy` of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverridePolicy {
    /// Any setting.
    All,
    /// No setting.
    None,
    /// Who the client is: `sasl.jaas.config`, `sasl.mechanism`, `security.protocol`.
    Principal,
    /// These settings.
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// The worker's policy: its class by full name, simple name, or the word before the long name of the interface.
    ///
    /// # Errors
    /// Connect's text for an unknown class.
    pub fn of(worker: &WorkerConfig) -> Result<Self, String> {
        const INTERFACE: &str = "ConnectorClientConfigOverridePolicy";
        const PACKAGE: &str = "org.apache.kafka.connect.connector.policy";
        let name = worker.connector_client_config_override_policy.as_str();
        let simple = name.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        match simple.strip_suffix(INTERFACE).unwrap_or(simple) {
            "All" => Ok(Self::All),
            "None" => Ok(Self::None),
            "Principal" => Ok(Self::Principal),
            "Allowlist" => Ok(Self::Allowlist(worker.connector_client_config_override_allowlist.clone())),
            _ => Err(format!(
                "Failed to find any class that implements interface {PACKAGE}.{INTERFACE} and which name matches {name}"
            )),
        }
    }

    /// Whether connectors may override this client setting.
    pub fn allows(&self, setting: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Principal => {
                matches!(setting, "sasl.jaas.config" | "sasl.mechanism" | "security.protocol")
            }
            Self::Allowlist(settings) => settings.iter().any(|allowed| allowed == setting),
        }
    }

    /// What is wrong with overriding this setting, if anything.
    pub fn finding(&self, setting: &str) -> Option<String> {
        let name = match self {
            Self::All => "All",
            Self::None => "None",
            Self::Principal => "Principal",
            Self::Allowlist(_) => "Allowlist",
        };
        let refused = format!(
            "The '{name}' policy does not allow '{setting}' to be overridden in the connector configuration."
        );
        (!self.allows(setting)).then_some(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_policies_by_every_name() {
        let check = |name: &str, expect: Option<OverridePolicy>| {
            let worker = WorkerConfig {
                connector_client_config_override_policy: name.to_owned(),
                connector_client_config_override_allowlist: vec!["linger.ms".to_owned()],
                ..WorkerConfig::default()
            };
            assert_eq!(OverridePolicy::of(&worker).ok(), expect, "{name}");
        };
        check("All", Some(OverridePolicy::All));
        check("NoneConnectorClientConfigOverridePolicy", Some(OverridePolicy::None));
        check(
            "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
            Some(OverridePolicy::Principal),
        );
        check("Allowlist", Some(OverridePolicy::Allowlist(vec!["linger.ms".to_owned()])));
        check("all", None);
    }

    #[test]
    fn says_what_is_refused() {
        let check = |policy: OverridePolicy, setting: &str, expect: Option<&str>| {
            assert_eq!(policy.finding(setting).as_deref(), expect);
        };
        check(OverridePolicy::All, "acks", None);
        check(
            OverridePolicy::None,
            "acks",
            Some("The 'None' policy does not allow 'acks' to be overridden in the connector configuration."),
        );
        check(OverridePolicy::Principal, "sasl.mechanism", None);
        check(OverridePolicy::Allowlist(vec!["acks".to_owned()]), "acks", None);
    }
}
