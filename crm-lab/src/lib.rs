//! Hosts on one machine: namespaces, a virtual switch, cables, power.
