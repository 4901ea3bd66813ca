# What a host of the lab needs before the daemon starts: the machine's agents and init scripts,
# and the directories that packages make.
rm -rf /usr/lib/ocf
ln -s /.machine/usr/lib/ocf /usr/lib/ocf
for script in /.machine/etc/init.d/*; do
    ln -s "$script" /etc/init.d/
done
# Agents ask for modules; where the machine has no modprobe there are none to load.
command -v modprobe > /dev/null || ln -s /bin/true /usr/local/sbin/modprobe
mkdir -p /var/lib/heartbeat /var/log/agents
chmod 1777 /var/tmp /tmp
# Agents that change the default route find one.
ip route add default via 10.94.0.254
exec crm crmd
