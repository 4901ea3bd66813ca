# Starts the daemon of a guest, and again whenever it ends. DRBD calls its handlers without /usr/local in the
# PATH; ha_logger is another package's there.
crm links /usr/sbin
mkdir -p /var/lib/crm /var/lib/heartbeat /var/log/agents
(
    while :; do crm crmd; [ -e /run/halt ] && break; sleep 1; done
) < /dev/null > /var/log/boot.log 2>&1 &
