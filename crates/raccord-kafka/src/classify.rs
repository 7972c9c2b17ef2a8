//! What librdkafka's and the brokers' error codes mean: the kind, and the Java class that users know from Kafka's own
//! clients. What is to be done about an error is the runtime's decision.

use raccord_plugin::{Error, ErrorKind};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// A code's kind and Java class.
fn meaning(code: Code) -> (ErrorKind, &'static str) {
    use ErrorKind::{Config, Fatal, Record, Retriable};
    macro_rules! class {
        ($name:literal) => {
            concat!("org.apache.kafka.common.errors.", $name)
        };
    }
    match code {
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => (Record, class!("RecordTooLargeException")),
        Code::MessageBatchTooLarge => (Record, class!("RecordBatchTooLargeException")),
        Code::InvalidMessage => (Retriable, class!("CorruptRecordException")),
        Code::InvalidRecord => (Record, class!("InvalidRecordException")),
        Code::InvalidTimestamp => (Record, class!("InvalidTimestampException")),
        Code::UnsupportedCompressionType => (Config, class!("UnsupportedCompressionTypeException")),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            (Retriable, class!("UnknownTopicOrPartitionException"))
        }
        Code::UnknownTopicId => (Retriable, class!("UnknownTopicIdException")),
        Code::InvalidTopic => (Config, class!("InvalidTopicException")),
        Code::TopicAuthorizationFailed => (Fatal, class!("TopicAuthorizationException")),
        Code::GroupAuthorizationFailed => (Fatal, class!("GroupAuthorizationException")),
        Code::ClusterAuthorizationFailed => (Fatal, class!("ClusterAuthorizationException")),
        Code::TransactionalIdAuthorizationFailed => (Fatal, class!("TransactionalIdAuthorizationException")),
        Code::SaslAuthenticationFailed | Code::Authentication => {
            (Fatal, class!("SaslAuthenticationException"))
        }
        Code::UnsupportedSASLMechanism => (Fatal, class!("UnsupportedSaslMechanismException")),
        Code::IllegalSASLState => (Fatal, class!("IllegalSaslStateException")),
        Code::SecurityDisabled => (Fatal, class!("SecurityDisabledException")),
        Code::SSL => (Retriable, class!("SslAuthenticationException")),
        Code::MessageTimedOut
        | Code::OperationTimedOut
        | Code::RequestTimedOut
        | Code::TimedOutQueue
        | Code::PurgeQueue
        | Code::PurgeInflight => (Retriable, class!("TimeoutException")),
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve | Code::NetworkException => {
            (Retriable, class!("NetworkException"))
        }
        Code::BrokerNotAvailable => (Retriable, class!("BrokerNotAvailableException")),
        Code::NotLeaderForPartition => (Retriable, class!("NotLeaderOrFollowerException")),
        Code::LeaderNotAvailable => (Retriable, class!("LeaderNotAvailableException")),
        Code::ReplicaNotAvailable => (Retriable, class!("ReplicaNotAvailableException")),
        Code::NotEnoughReplicas => (Retriable, class!("NotEnoughReplicasException")),
        Code::NotEnoughReplicasAfterAppend => (Retriable, class!("NotEnoughReplicasAfterAppendException")),
        Code::NotController => (Retriable, class!("NotControllerException")),
        Code::KafkaStorageError => (Retriable, class!("KafkaStorageException")),
        Code::CoordinatorLoadInProgress => (Retriable, class!("CoordinatorLoadInProgressException")),
        Code::CoordinatorNotAvailable | Code::WaitingForCoordinator => {
            (Retriable, class!("CoordinatorNotAvailableException"))
        }
        Code::NotCoordinator => (Retriable, class!("NotCoordinatorException")),
        Code::RebalanceInProgress => (Retriable, class!("RebalanceInProgressException")),
        Code::IllegalGeneration => (Fatal, class!("IllegalGenerationException")),
        Code::UnknownMemberId => (Fatal, class!("UnknownMemberIdException")),
        Code::FencedInstanceId => (Fatal, class!("FencedInstanceIdException")),
        Code::GroupMaxSizeReached => (Fatal, class!("GroupMaxSizeReachedException")),
        Code::InconsistentGroupProtocol => (Fatal, class!("InconsistentGroupProtocolException")),
        Code::InvalidSessionTimeout => (Config, class!("InvalidSessionTimeoutException")),
        Code::NonEmptyGroup => (Record, class!("GroupNotEmptyException")),
        Code::GroupIdNotFound => (Record, class!("GroupIdNotFoundException")),
        Code::GroupSubscribedToTopic => (Record, class!("GroupSubscribedToTopicException")),
        Code::OffsetOutOfRange => (Fatal, "org.apache.kafka.clients.consumer.OffsetOutOfRangeException"),
        Code::AutoOffsetReset | Code::NoOffset => {
            (Fatal, "org.apache.kafka.clients.consumer.NoOffsetForPartitionException")
        }
        Code::OffsetMetadataTooLarge => (Record, class!("OffsetMetadataTooLarge")),
        Code::InvalidRequiredAcks => (Config, class!("InvalidRequiredAcksException")),
        Code::InvalidReplicationFactor => (Config, class!("InvalidReplicationFactorException")),
        Code::InvalidPartitions => (Config, class!("InvalidPartitionsException")),
        Code::InvalidConfig => (Config, class!("InvalidConfigurationException")),
        Code::PolicyViolation => (Config, class!("PolicyViolationException")),
        Code::TopicAlreadyExists => (Record, class!("TopicExistsException")),
        Code::UnsupportedVersion | Code::UnsupportedFeature => (Fatal, class!("UnsupportedVersionException")),
        Code::OutOfOrderSequenceNumber => (Fatal, class!("OutOfOrderSequenceException")),
        Code::UnknownProducerId => (Fatal, class!("UnknownProducerIdException")),
        Code::InvalidProducerEpoch => (Fatal, class!("InvalidProducerEpochException")),
        Code::ProducerFenced | Code::Fenced => (Fatal, class!("ProducerFencedException")),
        Code::ThrottlingQuotaExceeded => (Retriable, class!("ThrottlingQuotaExceededException")),
        Code::Retry | Code::QueueFull | Code::InProgress | Code::PreviousInProgress => {
            (Retriable, class!("RetriableException"))
        }
        Code::InvalidArgument => (Config, "org.apache.kafka.common.config.ConfigException"),
        Code::Unknown => (Fatal, class!("UnknownServerException")),
        _ => (Fatal, "org.apache.kafka.common.KafkaException"),
    }
}

/// What the operator can do about a code, where that is not plain.
fn remedy(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
            "allow larger records: producer.override.max.request.size here, max.message.bytes of the topic there"
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic => {
            "create the topic, give the connector topic.creation.default.* keys, or let the brokers create topics"
        }
        Code::TopicAuthorizationFailed => "allow the worker's or the connector's Kafka user to use the topic",
        Code::GroupAuthorizationFailed => "allow the Kafka user to read in the consumer group",
        Code::SaslAuthenticationFailed | Code::Authentication => {
            "check the user and the password in sasl.jaas.config"
        }
        Code::AutoOffsetReset | Code::OffsetOutOfRange => {
            "with auto.offset.reset=none offsets must exist: set them, or let the consumer reset"
        }
        _ => return None,
    })
}

/// A code that librdkafka or a broker answered while `doing` something ("create topics").
pub fn error(doing: &str, code: Code, text: &str) -> Error {
    refusal(code, format!("Failed to {doing}: {text}"))
}

/// A broker's refusal in its own words.
pub fn refusal(code: Code, text: String) -> Error {
    let (kind, class) = meaning(code);
    let error = Error::new(kind, text).class(class);
    match remedy(code) {
        Some(remedy) => error.hint(remedy),
        None => error,
    }
}

/// An error of the wrapper around librdkafka.
pub fn classify(doing: &str, error: &KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, text, key, _) => {
            Error::config(format!("Failed to {doing}: {text} ({key})"))
        }
        KafkaError::ClientCreation(text) => Error::config(format!("Failed to {doing}: {text}")),
        KafkaError::Canceled => Error::retriable(format!("Failed to {doing}: interrupted")),
        error => {
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            self::error(doing, code, &error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_kinds_and_classes_that_users_know() {
        let check = |code, kind, class: &str| {
            let error = error("x", code, "y");
            assert_eq!((error.kind(), error.java_class()), (kind, class), "{code:?}");
        };
        check(
            Code::MessageSizeTooLarge,
            ErrorKind::Record,
            "org.apache.kafka.common.errors.RecordTooLargeException",
        );
        check(Code::AllBrokersDown, ErrorKind::Retriable, "org.apache.kafka.common.errors.NetworkException");
        check(
            Code::TopicAuthorizationFailed,
            ErrorKind::Fatal,
            "org.apache.kafka.common.errors.TopicAuthorizationException",
        );
        check(Code::Fail, ErrorKind::Fatal, "org.apache.kafka.common.KafkaException");
        let error = classify("make a client", &KafkaError::ClientCreation("no such property".into()));
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
