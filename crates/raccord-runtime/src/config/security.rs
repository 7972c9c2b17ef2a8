//! The keys of TLS and SASL, which the worker and every Kafka client share, as Kafka's SslConfigs and SaslConfigs have
//! them.

use raccord_config::{Class, Config, Secret, Validator};

/// Keys of TLS as a client.
#[derive(Clone, Debug, Config)]
#[config(group = "tls", importance = Low)]
pub struct SslKeys {
    /// The TLS version to use. TLSv1.2 is used with peers that do not know it, if ssl.enabled.protocols has it.
    #[config(default = "TLSv1.3", importance = Medium)]
    pub ssl_protocol: String,
    /// The security provider of a JVM. Accepted and not used.
    #[config(importance = Medium)]
    pub ssl_provider: Option<String>,
    /// The cipher suites that may be used, by name. Empty: all that are considered safe.
    #[config(default = &[], validator = Validator::list_without_duplicates(true, false))]
    pub ssl_cipher_suites: Vec<String>,
    /// The TLS versions that may be used.
    #[config(
        default = &["TLSv1.2", "TLSv1.3"],
        validator = Validator::list_without_duplicates(true, false),
        importance = Medium
    )]
    pub ssl_enabled_protocols: Vec<String>,
    /// The format of the key store: JKS, PKCS12 or PEM.
    #[config(default = "JKS", importance = Medium)]
    pub ssl_keystore_type: String,
    /// The file with the client's certificate and key.
    #[config(importance = High)]
    pub ssl_keystore_location: Option<String>,
    /// The password of the key store. Not used with PEM.
    #[config(importance = High)]
    pub ssl_keystore_password: Option<Secret>,
    /// The password of the private key.
    #[config(importance = High)]
    pub ssl_key_password: Option<Secret>,
    /// The private key itself, as PEM (PKCS#8), in the place of a key store.
    #[config(importance = High)]
    pub ssl_keystore_key: Option<Secret>,
    /// The certificate chain itself, as PEM, in the place of a key store.
    #[config(importance = High)]
    pub ssl_keystore_certificate_chain: Option<Secret>,
    /// The trusted certificates themselves, as PEM, in the place of a trust store.
    #[config(importance = High)]
    pub ssl_truststore_certificates: Option<Secret>,
    /// The format of the trust store: JKS, PKCS12 or PEM.
    #[config(default = "JKS", importance = Medium)]
    pub ssl_truststore_type: String,
    /// The file with the trusted certificates. Not set: those of the operating system.
    #[config(importance = High)]
    pub ssl_truststore_location: Option<String>,
    /// The password of the trust store. Not used with PEM.
    #[config(importance = High)]
    pub ssl_truststore_password: Option<Secret>,
    /// The key manager of a JVM. Accepted and not used.
    #[config(default = "SunX509")]
    pub ssl_keymanager_algorithm: String,
    /// The trust manager of a JVM. Accepted and not used.
    #[config(default = "PKIX")]
    pub ssl_trustmanager_algorithm: String,
    /// How the server's host name is checked against its certificate: https, or empty for not at all.
    #[config(default = "https")]
    pub ssl_endpoint_identification_algorithm: String,
    /// The random number generator of a JVM. Accepted and not used.
    pub ssl_secure_random_implementation: Option<String>,
    /// A Java class that makes TLS engines. Accepted and not used.
    pub ssl_engine_factory_class: Option<Class>,
}

/// Keys of SASL as a client.
#[derive(Clone, Debug, Config)]
#[config(group = "sasl", importance = Low)]
pub struct SaslKeys {
    /// The Kerberos principal name under which brokers run.
    #[config(importance = Medium)]
    pub sasl_kerberos_service_name: Option<String>,
    /// The path of the kinit command.
    #[config(default = "/usr/bin/kinit")]
    pub sasl_kerberos_kinit_cmd: String,
    /// The share of a ticket's lifetime after which it is renewed.
    #[config(default = 0.8)]
    pub sasl_kerberos_ticket_renew_window_factor: f64,
    /// The share of random jitter in the renewal time.
    #[config(default = 0.05)]
    pub sasl_kerberos_ticket_renew_jitter: f64,
    /// How long the login thread sleeps between renewals at least, in milliseconds.
    #[config(default = 60000)]
    pub sasl_kerberos_min_time_before_relogin: i64,
    /// The share of a token's lifetime after which it is refreshed.
    #[config(default = 0.8, validator = Validator::between(0.5, 1.0))]
    pub sasl_login_refresh_window_factor: f64,
    /// The share of random jitter in the refresh time.
    #[config(default = 0.05, validator = Validator::between(0.0, 0.25))]
    pub sasl_login_refresh_window_jitter: f64,
    /// How long to wait between refreshes of a token at least, in seconds.
    #[config(default = 60, validator = Validator::between(0, 900))]
    pub sasl_login_refresh_min_period_seconds: i16,
    /// How long before its end a token is refreshed at the latest, in seconds.
    #[config(default = 300, validator = Validator::between(0, 3600))]
    pub sasl_login_refresh_buffer_seconds: i16,
    /// The SASL mechanism: GSSAPI, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
    #[config(default = "GSSAPI", importance = Medium)]
    pub sasl_mechanism: String,
    /// The login module with its options, as a line of a JAAS file.
    #[config(importance = Medium)]
    pub sasl_jaas_config: Option<Secret>,
    /// A Java class of callbacks for the client. Accepted and not used.
    #[config(importance = Medium)]
    pub sasl_client_callback_handler_class: Option<Class>,
    /// A Java class of callbacks for the login. Its name tells which kind of login is wanted.
    #[config(importance = Medium)]
    pub sasl_login_callback_handler_class: Option<Class>,
    /// A Java class that logs in. Accepted and not used.
    #[config(importance = Medium)]
    pub sasl_login_class: Option<Class>,
    /// How long connecting to the authentication provider may take, in milliseconds.
    pub sasl_login_connect_timeout_ms: Option<i32>,
    /// How long the answer of the authentication provider may take, in milliseconds.
    pub sasl_login_read_timeout_ms: Option<i32>,
    /// The longest wait between two attempts to log in, in milliseconds.
    #[config(default = 10000)]
    pub sasl_login_retry_backoff_max_ms: i64,
    /// The first wait between two attempts to log in, in milliseconds.
    #[config(default = 100)]
    pub sasl_login_retry_backoff_ms: i64,
    /// The Java class that fetches tokens; its name tells which way is wanted.
    #[config(
        default = "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
        importance = Medium
    )]
    pub sasl_oauthbearer_jwt_retriever_class: Class,
    /// The Java class that checks tokens; its name tells which way is wanted.
    #[config(
        default = "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        importance = Medium
    )]
    pub sasl_oauthbearer_jwt_validator_class: Class,
    /// The scope that is asked for at login.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_scope: Option<String>,
    /// The client id for the grant of client credentials.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_client_credentials_client_id: Option<String>,
    /// The client's secret for the grant of client credentials.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_client_credentials_client_secret: Option<Secret>,
    /// The algorithm that signs the assertion.
    #[config(
        default = "RS256",
        validator = Validator::one_of_ignore_case(&["ES256", "RS256"]),
        importance = Medium
    )]
    pub sasl_oauthbearer_assertion_algorithm: String,
    /// The assertion's audience.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_assertion_claim_aud: Option<String>,
    /// How long the assertion is valid, in seconds.
    #[config(default = 300, validator = Validator::between(0, 86400))]
    pub sasl_oauthbearer_assertion_claim_exp_seconds: i32,
    /// The assertion's issuer.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_assertion_claim_iss: Option<String>,
    /// Whether the assertion has an id of its own.
    #[config(default = false, importance = Medium)]
    pub sasl_oauthbearer_assertion_claim_jti_include: bool,
    /// How long before now the assertion becomes valid, in seconds.
    #[config(default = 60, validator = Validator::between(0, 3600))]
    pub sasl_oauthbearer_assertion_claim_nbf_seconds: i32,
    /// The assertion's subject.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_assertion_claim_sub: Option<String>,
    /// A file with a ready assertion.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_assertion_file: Option<String>,
    /// The file with the key that signs the assertion, as PEM.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_assertion_private_key_file: Option<String>,
    /// The passphrase of that key.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_assertion_private_key_passphrase: Option<Secret>,
    /// A file with further headers and claims of the assertion.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_assertion_template_file: Option<String>,
    /// The claim that holds the scope.
    #[config(default = "scope")]
    pub sasl_oauthbearer_scope_claim_name: String,
    /// The claim that holds the subject.
    #[config(default = "sub")]
    pub sasl_oauthbearer_sub_claim_name: String,
    /// The URL at which tokens are fetched.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_token_endpoint_url: Option<String>,
    /// The URL of the provider's key set.
    #[config(importance = Medium)]
    pub sasl_oauthbearer_jwks_endpoint_url: Option<String>,
    /// How often the key set is fetched again, in milliseconds.
    #[config(default = 3600000)]
    pub sasl_oauthbearer_jwks_endpoint_refresh_ms: i64,
    /// The longest wait between two attempts to fetch the key set, in milliseconds.
    #[config(default = 10000)]
    pub sasl_oauthbearer_jwks_endpoint_retry_backoff_max_ms: i64,
    /// The first wait between two attempts to fetch the key set, in milliseconds.
    #[config(default = 100)]
    pub sasl_oauthbearer_jwks_endpoint_retry_backoff_ms: i64,
    /// How far clocks may differ, in seconds.
    #[config(default = 30)]
    pub sasl_oauthbearer_clock_skew_seconds: i32,
    /// The audiences of which a token must have one.
    #[config(default = &[], validator = Validator::list_without_duplicates(true, false), importance = High)]
    pub sasl_oauthbearer_expected_audience: Vec<String>,
    /// The issuer that a token must have.
    #[config(importance = High)]
    pub sasl_oauthbearer_expected_issuer: Option<String>,
    /// Whether client id and secret are URL-encoded in the authorization header.
    #[config(default = false)]
    pub sasl_oauthbearer_header_urlencode: bool,
}
