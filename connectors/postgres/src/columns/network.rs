//! Network addresses in binary form.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Reads `inet` or `cidr` (PostgreSQL's `network_send`) and writes it as the server does.
pub fn inet_binary(bytes: &[u8]) -> Option<String> {
    let [family, bits, is_cidr, length, address @ ..] = bytes else { return None };
    if usize::from(*length) != address.len() {
        return None;
    }
    let (text, whole) = match (family, address) {
        (2, [a, b, c, d]) => (Ipv4Addr::new(*a, *b, *c, *d).to_string(), 32),
        (3, address) => (ipv6(<[u8; 16]>::try_from(address).ok()?), 128),
        _ => return None,
    };
    if *bits > whole {
        return None;
    }
    // A host is written without the length of its net, unless it is a net by its type.
    Some(if *bits == whole && *is_cidr == 0 { text } else { format!("{text}/{bits}") })
}

/// Besides mapped addresses, the server writes the last four bytes of compatible ones in decimal as well.
fn ipv6(bytes: [u8; 16]) -> String {
    let address = Ipv6Addr::from(bytes);
    let compatible = bytes[..12].iter().all(|byte| *byte == 0) && bytes[12..14] != [0, 0];
    if compatible {
        return format!("::{}", Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]));
    }
    address.to_string()
}

/// Writes `macaddr` and `macaddr8`.
pub fn mac_binary(bytes: &[u8]) -> Option<String> {
    if bytes.len() != 6 && bytes.len() != 8 {
        return None;
    }
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_addresses_as_the_server_does() {
        let check = |head: [u8; 4], address: &[u8], expect: &str| {
            let bytes: Vec<u8> = head.iter().chain(address).copied().collect();
            assert_eq!(inet_binary(&bytes).as_deref(), Some(expect));
        };
        check([2, 24, 0, 4], &[192, 168, 1, 5], "192.168.1.5/24");
        check([2, 32, 0, 4], &[10, 1, 2, 3], "10.1.2.3");
        check([2, 32, 1, 4], &[10, 1, 2, 3], "10.1.2.3/32");
        let mut one = [0; 16];
        one[15] = 1;
        check([3, 128, 0, 16], &one, "::1");
        check([3, 0, 1, 16], &[0; 16], "::/0");
        assert_eq!(inet_binary(&[2, 33, 0, 4, 1, 2, 3, 4]), None);
        assert_eq!(mac_binary(&[8, 0, 0x2b, 1, 2, 3]).as_deref(), Some("08:00:2b:01:02:03"));
    }
}
