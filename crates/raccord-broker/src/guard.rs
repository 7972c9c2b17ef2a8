//! Walks over a request before the protocol crate decodes it.
//!
//! The decoder reserves memory for as many array elements as the client claims; a message of fifty bytes that claims
//! two thousand million would end the process. Here every claim is held against the bytes that are there, with one
//! line of field types per API (from Kafka's message definitions) instead of a decoder each.
//!
//! Field types: `b` 1 byte, `h` 2, `i` 4, `l` 8, `u` 16, `s` string, `y` bytes, `<t>` array of a plain type, `[...]` array
//! of structs, `(...)` nullable struct. `@n` or `@n-m` limits a field to versions. From its first flexible version on, a
//! message has compact lengths, and each struct ends with tagged fields.

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

const NEVER: i16 = i16::MAX;
/// Array elements of one request, all together. A request for every partition of a full broker has far fewer.
const ELEMENTS_MAX: usize = 200_000;

/// API, first flexible version, fields in order.
#[rustfmt::skip]
const FIELDS: &[(ApiKey, i16, &str)] = &[
    (ApiKey::Produce, 9, "s h i [s@0-12 u@13 [i y]]"),
    (ApiKey::Fetch, 12, "i@0-14 i i i b i@7 i@7 [s@0-12 u@13 [i i@9 l i@12 l@5 i]] [s@7-12 u@13 <i>@7]@7 s@11"),
    (ApiKey::ListOffsets, 6, "i b@2 [s [i i@4 l]] i@10"),
    (ApiKey::Metadata, 9, "[u@10 s] b@4 b@8-10 b@8"),
    (ApiKey::OffsetCommit, 8, "s i s s@7 l@0-4 [s [i l i@6 s]]"),
    (ApiKey::OffsetFetch, 6, "s@0-7 [s@0-7 <i>@0-7]@0-7 [s@8 s@9 i@9 [s@8 <i>@8]@8]@8 b@7"),
    (ApiKey::FindCoordinator, 3, "s@0-3 b@1 <s>@4"),
    (ApiKey::JoinGroup, 6, "s i i@1 s s@5 s [s y] s@8"),
    (ApiKey::Heartbeat, 4, "s i s s@3"),
    (ApiKey::LeaveGroup, 4, "s s@0-2 [s@3 s@3 s@5]@3"),
    (ApiKey::SyncGroup, 4, "s i s s@3 s@5 s@5 [s y]"),
    (ApiKey::DescribeGroups, 5, "<s> b@3"),
    (ApiKey::ListGroups, 3, "<s>@4 <s>@5"),
    (ApiKey::ApiVersions, 3, "s@3 s@3"),
    (ApiKey::CreateTopics, 5, "[s i h [i <i>] [s s]] i b"),
    (ApiKey::DeleteTopics, 4, "[s@6 u@6]@6 <s>@0-5 i"),
    (ApiKey::DeleteRecords, 2, "[s [i l]] i"),
    (ApiKey::InitProducerId, 2, "s i l@3 h@3"),
    (ApiKey::OffsetForLeaderEpoch, 4, "i@3 [s [i i i]]"),
    (ApiKey::AddPartitionsToTxn, 3, "s l h [s <i>]"),
    (ApiKey::AddOffsetsToTxn, 3, "s l h s"),
    (ApiKey::EndTxn, 3, "s l h b"),
    (ApiKey::TxnOffsetCommit, 3, "s s l h i@3 s@3 s@3 [s [i l i@2 s]]"),
    (ApiKey::DescribeAcls, 2, "b s b s s b b"),
    (ApiKey::DescribeConfigs, 4, "[b s <s>] b b@3"),
    (ApiKey::AlterConfigs, 2, "[b s [s s]] b"),
    (ApiKey::DescribeLogDirs, 2, "[s <i>]"),
    (ApiKey::CreatePartitions, 2, "[s i [<i>]] i b"),
    (ApiKey::DeleteGroups, 2, "<s>"),
    (ApiKey::IncrementalAlterConfigs, 1, "[b s [s b s]] b"),
    (ApiKey::ListPartitionReassignments, 0, "i [s <i>]"),
    (ApiKey::OffsetDelete, NEVER, "s [s [i]]"),
    (ApiKey::DescribeCluster, 0, "b b@1 b@2"),
    (ApiKey::DescribeProducers, 0, "[s <i>]"),
    (ApiKey::DescribeTransactions, 0, "<s>"),
    (ApiKey::ListTransactions, 0, "<s> <l> l@1"),
    (ApiKey::DescribeTopicPartitions, 0, "[s] i (s i)"),
];

/// Why a request is not looked at further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuardError {
    #[error("it is cut short")]
    Short,
    #[error("a length is negative or too large")]
    Length,
    #[error("it has more than {ELEMENTS_MAX} array elements")]
    Elements,
}

/// Checks all lengths and counts of a request body.
pub(crate) fn check(key: ApiKey, version: i16, body: &Bytes) -> Result<(), GuardError> {
    let Some((_, flexible, fields)) = FIELDS.iter().find(|(k, ..)| *k == key) else {
        return Ok(());
    };
    let mut walk = Walk { rest: body, version, flexible: version >= *flexible, elements: 0 };
    walk.fields(fields.as_bytes())?;
    walk.tags()
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    /// Walks over one value of each field in the table.
    fn fields(&mut self, mut table: &[u8]) -> Result<(), GuardError> {
        while let Some((kind, inner, range, next)) = split(table) {
            if range.contains(&self.version) {
                self.field(kind, inner)?;
            }
            table = next;
        }
        Ok(())
    }

    fn field(&mut self, kind: u8, inner: &[u8]) -> Result<(), GuardError> {
        match kind {
            b'b' => self.skip(1),
            b'h' => self.skip(2),
            b'i' => self.skip(4),
            b'l' => self.skip(8),
            b'u' => self.skip(16),
            b's' => {
                let len = if self.flexible { self.compact()? } else { i64::from(self.i16()?) };
                self.skip_nullable(len)
            }
            b'y' => {
                let len = if self.flexible { self.compact()? } else { i64::from(self.i32()?) };
                self.skip_nullable(len)
            }
            b'(' => {
                if self.byte()? as i8 >= 0 {
                    self.fields(inner)?;
                    self.tags()?;
                }
                Ok(())
            }
            _ => self.array(kind, inner),
        }
    }

    fn array(&mut self, kind: u8, inner: &[u8]) -> Result<(), GuardError> {
        let count = if self.flexible { self.compact()? } else { i64::from(self.i32()?) };
        if count < -1 || count > self.rest.len() as i64 {
            return Err(GuardError::Length);
        }
        self.elements += count.max(0) as usize;
        if self.elements > ELEMENTS_MAX {
            return Err(GuardError::Elements);
        }
        for _ in 0..count {
            self.fields(inner)?;
            if kind == b'[' {
                self.tags()?;
            }
        }
        Ok(())
    }

    fn tags(&mut self) -> Result<(), GuardError> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.varint()?;
        self.elements = self.elements.saturating_add(count as usize);
        if self.elements > ELEMENTS_MAX {
            return Err(GuardError::Elements);
        }
        for _ in 0..count {
            self.varint()?;
            let len = self.varint()?;
            self.skip(len as usize)?;
        }
        Ok(())
    }

    fn skip_nullable(&mut self, len: i64) -> Result<(), GuardError> {
        match len {
            -1 => Ok(()),
            len => self.skip(usize::try_from(len).map_err(|_| GuardError::Length)?),
        }
    }

    fn skip(&mut self, len: usize) -> Result<(), GuardError> {
        self.rest = self.rest.get(len..).ok_or(GuardError::Short)?;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, GuardError> {
        let (first, rest) = self.rest.split_first().ok_or(GuardError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    fn i16(&mut self) -> Result<i16, GuardError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(GuardError::Short)?;
        self.rest = rest;
        Ok(i16::from_be_bytes(*head))
    }

    fn i32(&mut self) -> Result<i32, GuardError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(GuardError::Short)?;
        self.rest = rest;
        Ok(i32::from_be_bytes(*head))
    }

    /// A compact length: one more than the length, 0 for null.
    fn compact(&mut self) -> Result<i64, GuardError> {
        Ok(i64::from(self.varint()?) - 1)
    }

    fn varint(&mut self) -> Result<u32, GuardError> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| GuardError::Length);
            }
        }
        Err(GuardError::Length)
    }
}

type Versions = std::ops::RangeInclusive<i16>;

/// Takes the first field off a table: its type, what is inside, its versions, the rest.
fn split(table: &[u8]) -> Option<(u8, &[u8], Versions, &[u8])> {
    let start = table.iter().position(|c| *c != b' ')?;
    let table = &table[start..];
    let kind = table[0];
    let (inner, mut rest): (&[u8], &[u8]) = match kind {
        b'[' | b'<' | b'(' => {
            let end = closing(table);
            (&table[1..end], &table[end + 1..])
        }
        _ => (&[], &table[1..]),
    };
    let mut versions = 0..=i16::MAX;
    if let Some(after) = rest.strip_prefix(b"@") {
        let end = after.iter().position(|c| *c == b' ').unwrap_or(after.len());
        let text = std::str::from_utf8(&after[..end]).unwrap_or_default();
        let (low, high) = text.split_once('-').map_or((text, None), |(l, h)| (l, Some(h)));
        versions = low.parse().unwrap_or(0)..=high.and_then(|h| h.parse().ok()).unwrap_or(i16::MAX);
        rest = &after[end..];
    }
    Some((kind, inner, versions, rest))
}

fn closing(table: &[u8]) -> usize {
    let mut depth = 0;
    for (i, c) in table.iter().enumerate() {
        match c {
            b'[' | b'<' | b'(' => depth += 1,
            b']' | b'>' | b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    table.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::APIS;
    use bytes::BytesMut;
    use kafka_protocol::messages::*;
    use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
    use proptest::prelude::*;

    #[test]
    fn every_served_api_has_its_line() {
        let missing: Vec<_> = APIS
            .iter()
            .filter(|api| !FIELDS.iter().any(|(key, ..)| *key == api.key))
            .map(|api| api.key)
            .collect();
        assert_eq!(missing, Vec::new());
    }

    /// Encodes with the protocol crate and expects the walk to end exactly at the end.
    fn check_all<R: Encodable>(key: ApiKey, request: impl Fn(i16) -> R) {
        let api = APIS.iter().find(|api| api.key == key).expect("is served");
        for version in api.min..=api.max {
            let mut out = BytesMut::new();
            request(version).encode(&mut out, version).expect("encodes");
            let body = out.freeze();
            check(key, version, &body).unwrap_or_else(|e| panic!("{key:?} v{version}: {e}"));
            for cut in 0..body.len() {
                assert!(check(key, version, &body.slice(..cut)).is_err(), "{key:?} v{version} cut at {cut}");
            }
        }
    }

    fn name(s: &'static str) -> StrBytes {
        StrBytes::from_static_str(s)
    }

    #[test]
    fn real_requests_pass_and_every_cut_is_noticed() {
        use kafka_protocol::messages::{
            fetch_request, join_group_request, metadata_request, produce_request,
        };
        check_all(ApiKey::Produce, |v| {
            let data = produce_request::PartitionProduceData::default()
                .with_records(Some(Bytes::from_static(b"abc")));
            let topic = produce_request::TopicProduceData::default().with_partition_data(vec![data]);
            let topic = if v < 13 {
                topic.with_name(name("t").into())
            } else {
                topic.with_topic_id(uuid::Uuid::new_v4())
            };
            ProduceRequest::default().with_topic_data(vec![topic])
        });
        check_all(ApiKey::Fetch, |v| {
            let partition = fetch_request::FetchPartition::default();
            let topic =
                fetch_request::FetchTopic::default().with_partitions(vec![partition.clone(), partition]);
            let topic = if v < 13 {
                topic.with_topic(name("t").into())
            } else {
                topic.with_topic_id(uuid::Uuid::new_v4())
            };
            FetchRequest::default().with_topics(vec![topic])
        });
        check_all(ApiKey::Metadata, |_| {
            let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(name("t").into()));
            MetadataRequest::default().with_topics(Some(vec![topic]))
        });
        check_all(ApiKey::JoinGroup, |_| {
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(name("range"));
            JoinGroupRequest::default().with_protocols(vec![protocol])
        });
        check_all(ApiKey::ListOffsets, |_| {
            ListOffsetsRequest::default().with_topics(vec![Default::default()])
        });
        check_all(ApiKey::OffsetCommit, |_| {
            OffsetCommitRequest::default().with_topics(vec![Default::default()])
        });
        check_all(ApiKey::CreateTopics, |_| {
            CreateTopicsRequest::default().with_topics(vec![Default::default()])
        });
        check_all(ApiKey::SyncGroup, |_| {
            SyncGroupRequest::default().with_assignments(vec![Default::default()])
        });
        check_all(ApiKey::DescribeConfigs, |_| {
            DescribeConfigsRequest::default().with_resources(vec![Default::default()])
        });
        check_all(ApiKey::DescribeTopicPartitions, |_| {
            DescribeTopicPartitionsRequest::default().with_cursor(Some(Default::default()))
        });
    }

    #[test]
    fn a_claim_of_two_thousand_million_topics_is_refused() {
        let claim = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0, 1]);
        assert_eq!(check(ApiKey::Metadata, 1, &claim), Err(GuardError::Length));
        let compact = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x07, 1]);
        assert_eq!(check(ApiKey::Metadata, 12, &compact), Err(GuardError::Length));
        let many =
            Bytes::from([&(ELEMENTS_MAX as i32 + 1).to_be_bytes()[..], &vec![0; ELEMENTS_MAX * 3]].concat());
        assert_eq!(check(ApiKey::Metadata, 1, &many), Err(GuardError::Elements));
    }

    proptest! {
        /// What the walk lets pass, the decoder can take without reserving more than there is.
        #[test]
        fn arbitrary_bytes_neither_panic_nor_exhaust_memory(api in 0..APIS.len(), v in 0i16..20, junk in prop::collection::vec(any::<u8>(), 0..120)) {
            let api = &APIS[api];
            let version = api.min + v % (api.max - api.min + 1);
            let body = Bytes::from(junk);
            if check(api.key, version, &body).is_ok() && api.key == ApiKey::Metadata {
                let _ = MetadataRequest::decode(&mut body.clone(), version);
            }
        }
    }
}
