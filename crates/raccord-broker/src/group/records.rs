//! The records of `__consumer_offsets`, in Kafka's own formats.
//!
//! Keys carry a 16-bit record type: 0 and 1 are committed offsets, 2 is group metadata. Values carry a 16-bit version.
//! Written are the versions that Kafka 4.3 writes for classic groups (offsets 3, or 1 when the client asked for an
//! expiry of its own; group metadata 3); read are all versions up to 4. So Kafka's own tools (`kafka-dump-log
//! --offsets-decoder`, the console consumer's formatters) read our topic. Format source: the message definitions
//! `OffsetCommitKey/Value.json` and `GroupMetadataKey/Value.json` of Kafka 4.3; the bytes in the tests were produced
//! by its generated classes.

use super::fields::{FieldError, Reader, Writer};
use super::state::{Name, PartitionName};
use bytes::Bytes;

const OFFSET_KEY_TYPES: [i16; 2] = [0, 1];
const GROUP_KEY_TYPE: i16 = 2;
/// From this version on both values use the flexible encoding.
const FLEXIBLE_FROM: i16 = 4;

/// What a key of `__consumer_offsets` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKey {
    /// The committed offset of a partition in a group.
    Offset {
        /// Group id.
        group: Name,
        /// Topic and partition.
        partition: PartitionName,
    },
    /// The membership of a group.
    Group {
        /// Group id.
        group: Name,
    },
    /// A record type of newer group protocols, which are not offered here.
    Other(i16),
}

impl RecordKey {
    /// The key of a committed offset.
    pub fn encode_offset(group: &str, partition: &PartitionName) -> Bytes {
        let mut out = Writer::with_prefix(OFFSET_KEY_TYPES[1]);
        out.string(group);
        out.string(&partition.topic);
        out.i32(partition.partition);
        out.finish()
    }

    /// The key of a group's metadata.
    pub fn encode_group(group: &str) -> Bytes {
        let mut out = Writer::with_prefix(GROUP_KEY_TYPE);
        out.string(group);
        out.finish()
    }

    /// Reads a key.
    pub fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut read = Reader::new(bytes);
        let kind = read.i16("record type")?;
        if OFFSET_KEY_TYPES.contains(&kind) {
            let group = Name::from(read.string(false, "group")?);
            let topic = Name::from(read.string(false, "topic")?);
            let partition = read.i32("partition")?;
            return Ok(RecordKey::Offset { group, partition: PartitionName { topic, partition } });
        }
        if kind == GROUP_KEY_TYPE {
            return Ok(RecordKey::Group { group: Name::from(read.string(false, "group")?) });
        }
        Ok(RecordKey::Other(kind))
    }
}

/// A committed offset as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetValue {
    /// The next offset to read.
    pub kafka_offset: i64,
    /// Epoch of the leader the client last read from, -1 for unknown.
    pub leader_epoch: i32,
    /// What the client attached.
    pub metadata: String,
    /// When it was committed, milliseconds since 1970.
    pub commit_ms: i64,
    /// When it expires by the client's own wish (protocol versions up to 4), -1 for the broker's retention.
    pub expire_ms: i64,
}

impl OffsetValue {
    /// Writes version 3, or version 1 when an expiry is set (the last version that has room for it; the leader epoch
    /// is then lost, as in Kafka: clients that old do not send one).
    pub fn encode(&self) -> Bytes {
        let version = if self.expire_ms >= 0 { 1 } else { 3 };
        let mut out = Writer::with_prefix(version);
        out.i64(self.kafka_offset);
        if version == 3 {
            out.i32(self.leader_epoch);
        }
        out.string(&self.metadata);
        out.i64(self.commit_ms);
        if version == 1 {
            out.i64(self.expire_ms);
        }
        out.finish()
    }

    /// Reads versions 0 to 4.
    pub fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut read = Reader::new(bytes);
        let version = read.i16("version")?;
        if !(0..=4).contains(&version) {
            return Err(FieldError::Version { record: "a committed offset", version });
        }
        let flexible = version >= FLEXIBLE_FROM;
        let kafka_offset = read.i64("offset")?;
        let leader_epoch = if version >= 3 { read.i32("leader epoch")? } else { -1 };
        let metadata = read.string(flexible, "metadata")?;
        let commit_ms = read.i64("commit timestamp")?;
        let expire_ms = if version == 1 { read.i64("expire timestamp")? } else { -1 };
        Ok(OffsetValue { kafka_offset, leader_epoch, metadata, commit_ms, expire_ms })
    }
}

/// A group's membership as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupValue {
    /// `consumer`, `connect`, ...; empty for a group that never had members.
    pub protocol_type: String,
    /// The generation.
    pub generation: i32,
    /// The chosen protocol, none while the group is empty.
    pub protocol: Option<String>,
    /// The leader's member id, none while the group is empty.
    pub leader: Option<String>,
    /// When the group entered its state, milliseconds since 1970, -1 for unknown.
    pub state_since_ms: i64,
    /// The members.
    pub members: Vec<MemberValue>,
}

/// A member of a stored group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberValue {
    /// Member id.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// Client id.
    pub client_id: String,
    /// Client host, `/127.0.0.1`.
    pub client_host: String,
    /// How long the member may take to rejoin.
    pub rebalance_timeout_ms: i32,
    /// How long the member may be silent.
    pub session_timeout_ms: i32,
    /// The member's metadata for the chosen protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

impl GroupValue {
    /// Writes version 3.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::with_prefix(3);
        out.string(&self.protocol_type);
        out.i32(self.generation);
        out.opt_string(self.protocol.as_deref());
        out.opt_string(self.leader.as_deref());
        out.i64(self.state_since_ms);
        out.array_len(self.members.len());
        for member in &self.members {
            out.string(&member.member_id);
            out.opt_string(member.instance_id.as_deref());
            out.string(&member.client_id);
            out.string(&member.client_host);
            out.i32(member.rebalance_timeout_ms);
            out.i32(member.session_timeout_ms);
            out.bytes(&member.subscription);
            out.bytes(&member.assignment);
        }
        out.finish()
    }

    /// Reads versions 0 to 4.
    pub fn decode(bytes: &[u8]) -> Result<Self, FieldError> {
        let mut read = Reader::new(bytes);
        let version = read.i16("version")?;
        if !(0..=4).contains(&version) {
            return Err(FieldError::Version { record: "group metadata", version });
        }
        let flexible = version >= FLEXIBLE_FROM;
        let protocol_type = read.string(flexible, "protocol type")?;
        let generation = read.i32("generation")?;
        let protocol = read.opt_string(flexible, "protocol")?;
        let leader = read.opt_string(flexible, "leader")?;
        let state_since_ms = if version >= 2 { read.i64("state timestamp")? } else { -1 };
        let count = read.array_len(flexible, "members")?.ok_or(FieldError::Length("members"))?;
        let members =
            (0..count).map(|_| MemberValue::decode(&mut read, version)).collect::<Result<_, _>>()?;
        Ok(GroupValue { protocol_type, generation, protocol, leader, state_since_ms, members })
    }
}

impl MemberValue {
    fn decode(read: &mut Reader<'_>, version: i16) -> Result<Self, FieldError> {
        let flexible = version >= FLEXIBLE_FROM;
        let member_id = read.string(flexible, "member id")?;
        let instance_id = if version >= 3 { read.opt_string(flexible, "instance id")? } else { None };
        let client_id = read.string(flexible, "client id")?;
        let client_host = read.string(flexible, "client host")?;
        let rebalance = if version >= 1 { Some(read.i32("rebalance timeout")?) } else { None };
        let session_timeout_ms = read.i32("session timeout")?;
        let subscription = read.bytes(flexible, "subscription")?;
        let assignment = read.bytes(flexible, "assignment")?;
        if flexible {
            read.tags("member tags", |_, _| Ok(()))?;
        }
        Ok(MemberValue {
            member_id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription,
            assignment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn keys_are_those_of_kafka() {
        let partition = PartitionName { topic: "tö".into(), partition: 3 };
        let offset = hex("000100026731000374c3b600000003");
        assert_eq!(RecordKey::encode_offset("g1", &partition), offset);
        assert_eq!(RecordKey::decode(&offset).unwrap(), RecordKey::Offset { group: "g1".into(), partition });
        let group = hex("000200026731");
        assert_eq!(RecordKey::encode_group("g1"), group);
        assert_eq!(RecordKey::decode(&group).unwrap(), RecordKey::Group { group: "g1".into() });
        assert_eq!(RecordKey::decode(&hex("0003ffff")).unwrap(), RecordKey::Other(3));
    }

    #[test]
    fn offsets_written_by_kafka_are_read() {
        let check = |bytes: &str, leader_epoch: i32, expire_ms: i64| {
            let expect = OffsetValue {
                kafka_offset: 42,
                leader_epoch,
                metadata: "m".into(),
                commit_ms: 1_700_000_000_000,
                expire_ms,
            };
            assert_eq!(OffsetValue::decode(&hex(bytes)), Ok(expect), "{bytes}");
        };
        check("0000000000000000002a00016d0000018bcfe56800", -1, -1);
        check("0001000000000000002a00016d0000018bcfe568000000018bcfe569f4", -1, 1_700_000_000_500);
        check("0002000000000000002a00016d0000018bcfe56800", -1, -1);
        check("0003000000000000002a0000000500016d0000018bcfe56800", 5, -1);
        check(
            "0004000000000000002a00000005026d0000018bcfe5680001001000000000000000010000000000000002",
            5,
            -1,
        );
        assert!(OffsetValue::decode(&hex("0005")).is_err());
    }

    #[test]
    fn offsets_are_written_as_kafka_does() {
        let mut value = OffsetValue {
            kafka_offset: 42,
            leader_epoch: 5,
            metadata: "m".into(),
            commit_ms: 1_700_000_000_000,
            expire_ms: -1,
        };
        assert_eq!(value.encode(), hex("0003000000000000002a0000000500016d0000018bcfe56800"));
        value.expire_ms = 1_700_000_000_500;
        assert_eq!(value.encode(), hex("0001000000000000002a00016d0000018bcfe568000000018bcfe569f4"));
    }

    const GROUPS: [&str; 5] = [
        "00000008636f6e73756d657200000007000572616e676500036d2d310000000100036d2d31000163000a2f3132372e302e302e310000afc80000000201020000000103",
        "00010008636f6e73756d657200000007000572616e676500036d2d310000000100036d2d31000163000a2f3132372e302e302e31000493e00000afc80000000201020000000103",
        "00020008636f6e73756d657200000007000572616e676500036d2d310000018bcfe568000000000100036d2d31000163000a2f3132372e302e302e31000493e00000afc80000000201020000000103",
        "00030008636f6e73756d657200000007000572616e676500036d2d310000018bcfe568000000000100036d2d31000169000163000a2f3132372e302e302e31000493e00000afc80000000201020000000103",
        "000409636f6e73756d6572000000070672616e6765046d2d310000018bcfe5680002046d2d31026902630b2f3132372e302e302e31000493e00000afc803010202030000",
    ];

    #[test]
    fn groups_written_by_kafka_are_read_and_written_alike() {
        for (version, bytes) in GROUPS.iter().enumerate() {
            let expect = GroupValue {
                protocol_type: "consumer".into(),
                generation: 7,
                protocol: Some("range".into()),
                leader: Some("m-1".into()),
                state_since_ms: if version >= 2 { 1_700_000_000_000 } else { -1 },
                members: vec![MemberValue {
                    member_id: "m-1".into(),
                    instance_id: (version >= 3).then(|| "i".into()),
                    client_id: "c".into(),
                    client_host: "/127.0.0.1".into(),
                    rebalance_timeout_ms: if version >= 1 { 300_000 } else { 45_000 },
                    session_timeout_ms: 45_000,
                    subscription: Bytes::from_static(&[1, 2]),
                    assignment: Bytes::from_static(&[3]),
                }],
            };
            assert_eq!(GroupValue::decode(&hex(bytes)), Ok(expect.clone()), "version {version}");
            assert_eq!(expect.encode().len(), hex(GROUPS[3]).len() - usize::from(version < 3));
            if version == 3 {
                assert_eq!(expect.encode(), hex(bytes));
            }
        }
        let empty = GroupValue { state_since_ms: -1, ..GroupValue::default() };
        assert_eq!(empty.encode(), hex("0003000000000000ffffffffffffffffffffffff00000000"));
    }

    fn name() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[a-zé☃.0-9-]{0,12}").unwrap()
    }

    prop_compose! {
        fn member()(
            member_id in name(), instance_id in proptest::option::of(name()), client_id in name(), client_host in name(),
            rebalance_timeout_ms: i32, session_timeout_ms: i32, subscription: Vec<u8>, assignment: Vec<u8>,
        ) -> MemberValue {
            MemberValue {
                member_id, instance_id, client_id, client_host, rebalance_timeout_ms, session_timeout_ms,
                subscription: subscription.into(), assignment: assignment.into(),
            }
        }
    }

    proptest! {
        #[test]
        fn group_round_trip(
            protocol_type in name(), generation: i32, protocol in proptest::option::of(name()),
            leader in proptest::option::of(name()), state_since_ms: i64,
            members in proptest::collection::vec(member(), 0..5),
        ) {
            let value = GroupValue { protocol_type, generation, protocol, leader, state_since_ms, members };
            prop_assert_eq!(GroupValue::decode(&value.encode()), Ok(value));
        }

        #[test]
        fn offset_round_trip(
            kafka_offset: i64, leader_epoch: i32, metadata in name(), commit_ms: i64, expire_ms in -1i64..,
        ) {
            let leader_epoch = if expire_ms >= 0 { -1 } else { leader_epoch };
            let value = OffsetValue { kafka_offset, leader_epoch, metadata, commit_ms, expire_ms };
            prop_assert_eq!(OffsetValue::decode(&value.encode()), Ok(value));
        }

        #[test]
        fn key_round_trip(group in name(), topic in name(), partition: i32) {
            let partition = PartitionName { topic: topic.into(), partition };
            let bytes = RecordKey::encode_offset(&group, &partition);
            prop_assert_eq!(RecordKey::decode(&bytes), Ok(RecordKey::Offset { group: group.as_str().into(), partition }));
            let bytes = RecordKey::encode_group(&group);
            prop_assert_eq!(RecordKey::decode(&bytes), Ok(RecordKey::Group { group: group.into() }));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, version in 0u8..6) {
            let _ = RecordKey::decode(&bytes);
            let prefixed: Vec<u8> = [0, version].into_iter().chain(bytes).collect();
            let _ = (RecordKey::decode(&prefixed), OffsetValue::decode(&prefixed), GroupValue::decode(&prefixed));
        }

        #[test]
        fn truncation_is_an_error(at in 0usize..60) {
            let whole = hex(GROUPS[3]);
            prop_assert!(GroupValue::decode(&whole[..at.min(whole.len() - 1)]).is_err());
        }
    }
}
