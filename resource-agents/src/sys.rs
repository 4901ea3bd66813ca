//! The one place of this crate where the compiler cannot check the contract.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem::size_of;

use nix::libc;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

const ETH_P_ARP: u16 = 0x0806;

/// Everybody on an interface, or the interface itself.
fn arp_address(index: u32) -> io::Result<SockAddr> {
    let index = i32::try_from(index).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the storage that is passed in is larger than a `sockaddr_ll`, aligned for every
    // address, and zeroed; all bit patterns of a `sockaddr_ll` are valid, and the length set is
    // that of what was written.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link = storage.cast::<libc::sockaddr_ll>();
            (*link).sll_family = libc::AF_PACKET as libc::sa_family_t;
            (*link).sll_protocol = ETH_P_ARP.to_be();
            (*link).sll_ifindex = index;
            (*link).sll_halen = 6;
            (*link).sll_addr = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    Ok(address)
}

/// Sends an ARP packet to everybody on an interface.
pub fn broadcast_arp(index: u32, packet: &[u8]) -> io::Result<()> {
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
    socket.send_to(packet, &arp_address(index)?)?;
    Ok(())
}

/// A socket that gets the ARP packets of an interface, without their Ethernet headers.
pub fn listen_arp(index: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
    socket.bind(&arp_address(index)?)?;
    Ok(socket)
}

/// Whether a POSIX extended regular expression, case ignored, matches a line of a text, as
/// `grep -Ei` does. The error says what is wrong with the expression.
pub fn matches(pattern: &str, text: &[u8]) -> Result<bool, String> {
    let nul = |_| "it holds a NUL byte".to_owned();
    let pattern = CString::new(pattern).map_err(nul)?;
    // The matcher works on C strings: what a NUL byte hides is text all the same.
    let text: Vec<u8> = text.iter().map(|b| if *b == 0 { b' ' } else { *b }).collect();
    let text = CString::new(text).map_err(nul)?;
    let flags = libc::REG_EXTENDED | libc::REG_ICASE | libc::REG_NOSUB | libc::REG_NEWLINE;
    // SAFETY: a `regex_t` is plain data that `regcomp` fills in, for which zeroes are valid; both
    // strings end with NUL; what was compiled is freed once, and not used after that.
    unsafe {
        let mut regex: libc::regex_t = std::mem::zeroed();
        let code = libc::regcomp(&raw mut regex, pattern.as_ptr(), flags);
        if code != 0 {
            let mut words = [0_u8; 128];
            libc::regerror(code, &raw const regex, words.as_mut_ptr().cast(), words.len());
            let words = std::ffi::CStr::from_bytes_until_nul(&words).unwrap_or_default();
            return Err(words.to_string_lossy().into_owned());
        }
        let found = libc::regexec(&raw const regex, text.as_ptr(), 0, std::ptr::null_mut(), 0);
        libc::regfree(&raw mut regex);
        Ok(found == 0)
    }
}

/// What the kernel says about its clock.
pub struct KernelClock {
    /// Somebody keeps it in step.
    pub synchronized: bool,
}

/// Asks the kernel about its clock; changes nothing.
pub fn kernel_clock() -> io::Result<KernelClock> {
    // SAFETY: a `timex` is plain data for which zeroes are valid; `modes` 0 only reads.
    let (code, state) = unsafe {
        let mut state: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut state), state)
    };
    if code < 0 {
        return Err(io::Error::last_os_error());
    }
    let synchronized = code != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0;
    Ok(KernelClock { synchronized })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_those_of_grep() {
        assert_eq!(matches("^hello +[0-9]+$", b"x\nHELLO  42\ny"), Ok(true));
        assert_eq!(matches("</ *html *>", b"<p></ HTML>"), Ok(true));
        assert_eq!(matches("a.b", b"a\nb"), Ok(false));
        assert!(matches("(", b"").is_err());
    }
}
