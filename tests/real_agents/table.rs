//! The agents and how to live with them.

/// How many instances there are and where.
#[derive(Clone, Copy)]
pub enum Kind {
    /// One, somewhere.
    Plain {
        /// The resource that is placed: the group, if it is in one.
        top: &'static str,
    },
    /// One on every node.
    Clone,
    /// One on every node, one of them promoted.
    Promotable {
        /// A script that succeeds where an instance follows the promoted one.
        follows: &'static str,
    },
}

/// A row. Scripts are run by `sh` on the hosts.
pub struct Row {
    /// The resource's name, and the test's.
    pub name: &'static str,
    /// Files that must be there.
    pub needs: &'static [&'static str],
    /// A file system that the kernel must have.
    pub filesystem: Option<&'static str>,
    /// What is done on both hosts before the configuration.
    pub prepare: &'static str,
    /// Lines of the crm language.
    pub config: &'static str,
    /// How instances are spread.
    pub kind: Kind,
    /// Succeeds where the service is there (promoted, if there are roles).
    pub serves: &'static str,
    /// Takes the service away behind the agent's back.
    pub breaks: &'static str,
}

/// Where the package keeps its agents.
macro_rules! heartbeat {
    ($name:literal) => {
        concat!("/usr/lib/ocf/resource.d/heartbeat/", $name)
    };
}

/// Where Pacemaker keeps its agents.
macro_rules! pacemaker {
    ($name:literal) => {
        concat!("/usr/lib/ocf/resource.d/pacemaker/", $name)
    };
}

const fn plain(name: &'static str) -> Row {
    Row {
        name,
        needs: &[],
        filesystem: None,
        prepare: "",
        config: "",
        kind: Kind::Plain { top: name },
        serves: "",
        breaks: "",
    }
}

/// Every row.
pub const ROWS: &[Row] = &[
    Row {
        needs: &[heartbeat!("IPaddr2")],
        config: "primitive address ocf:heartbeat:IPaddr2 params ip=10.94.0.101 op monitor interval=4s",
        serves: "ip -o addr show dev eth0 | grep -q 'inet 10.94.0.101/24'",
        breaks: "ip addr del 10.94.0.101/24 dev eth0",
        ..plain("address")
    },
    Row {
        config: "primitive own-address ocf:crm:IPaddr2 params ip=10.94.0.102 op monitor interval=4s",
        serves: "ip -o addr show dev eth0 | grep -q 'inet 10.94.0.102/24'",
        breaks: "ip addr del 10.94.0.102/24 dev eth0",
        ..plain("own-address")
    },
    Row {
        needs: &[heartbeat!("IPsrcaddr")],
        config: "primitive source-address ocf:heartbeat:IPaddr2 params ip=10.94.0.103\n\
                 primitive source ocf:heartbeat:IPsrcaddr params ipaddress=10.94.0.103 \
                 op monitor interval=4s\n\
                 group g-source source-address source",
        kind: Kind::Plain { top: "g-source" },
        serves: "ip route show default | grep -q 'src 10.94.0.103'",
        breaks: "ip route replace default via 10.94.0.254",
        ..plain("source")
    },
    Row {
        needs: &[heartbeat!("SendArp")],
        config: "primitive arp ocf:heartbeat:SendArp params ip=10.94.0.104 nic=eth0 \
                 op monitor interval=4s",
        serves: "test -e /run/resource-agents/SendArp_arp",
        breaks: "rm /run/resource-agents/SendArp_arp",
        ..plain("arp")
    },
    Row {
        needs: &[heartbeat!("Route")],
        config: "primitive route ocf:heartbeat:Route params destination=192.168.77.0/24 \
                 gateway=10.94.0.254 op monitor interval=4s",
        serves: "ip route show | grep -q 192.168.77.0/24",
        breaks: "ip route del 192.168.77.0/24",
        ..plain("route")
    },
    Row {
        needs: &[heartbeat!("portblock"), "/usr/sbin/iptables"],
        // iptables lists protocols by number since 1.8.9, and the agent does not find its rule: what
        // it goes by is this file.
        config: "primitive block ocf:heartbeat:portblock params protocol=tcp portno=8099 \
                 action=block ip=10.94.0.11 op monitor interval=4s",
        serves: "test -e /run/resource-agents/block && iptables -n -L INPUT | grep -q 8099",
        breaks: "rm /run/resource-agents/block",
        ..plain("block")
    },
    Row {
        needs: &[heartbeat!("Filesystem")],
        prepare: "mkdir -p /srv/source /srv/place; echo page > /srv/source/page",
        config: "primitive files ocf:heartbeat:Filesystem params device=/srv/source \
                 directory=/srv/place fstype=none options=bind op monitor interval=4s",
        serves: "test -e /srv/place/page",
        breaks: "umount /srv/place",
        ..plain("files")
    },
    Row {
        needs: &[heartbeat!("anything")],
        config: "primitive something ocf:heartbeat:anything params binfile=/bin/sleep \
                 cmdline_options=10071 op monitor interval=4s",
        serves: "pgrep -f 'slee[p] 10071'",
        breaks: "pkill -9 -f 'slee[p] 10071'",
        ..plain("something")
    },
    Row {
        needs: &[heartbeat!("Delay")],
        config: "primitive wait ocf:heartbeat:Delay params startdelay=1 stopdelay=1 mondelay=1 \
                 op monitor interval=4s",
        serves: "test -e /run/resource-agents/Delay_wait",
        breaks: "rm /run/resource-agents/Delay_wait",
        ..plain("wait")
    },
    Row {
        needs: &[heartbeat!("MailTo")],
        // A mail program that can be looked at: the first in the agents' PATH.
        prepare: "mkdir -p /usr/local/bin; printf '#!/bin/sh\\necho \"$*\" >> /srv/mails\\n' > /usr/local/bin/mail; \
                  chmod +x /usr/local/bin/mail",
        config: "primitive mail ocf:heartbeat:MailTo params email=root@localhost subject=lab \
                 op monitor interval=4s",
        serves: "tail -n 1 /srv/mails | grep -q Takeover",
        breaks: "rm /run/resource-agents/MailTo_mail",
        ..plain("mail")
    },
    Row {
        needs: &[heartbeat!("ClusterMon")],
        config: "primitive page ocf:heartbeat:ClusterMon params update=2 \
                 pidfile=/run/page.pid htmlfile=/run/page.html op monitor interval=4s",
        serves: "kill -0 $(cat /run/page.pid) && grep -qi '</html>' /run/page.html",
        breaks: "kill -9 $(cat /run/page.pid)",
        ..plain("page")
    },
    Row {
        needs: &[heartbeat!("nginx"), "/usr/sbin/nginx"],
        prepare: NGINX,
        config: "primitive nginx ocf:heartbeat:nginx params configfile=/srv/nginx.conf \
                 status10url=http://127.0.0.1:8081/ status10regex=hello \
                 op monitor interval=4s op monitor interval=5s OCF_CHECK_LEVEL=10",
        serves: "curl -fsS http://127.0.0.1:8081/ | grep -q hello",
        breaks: "kill $(cat /run/lab-nginx.pid)",
        ..plain("nginx")
    },
    Row {
        needs: &[heartbeat!("apache"), "/usr/sbin/apache2"],
        prepare: APACHE,
        config: "primitive apache ocf:heartbeat:apache params configfile=/srv/apache.conf \
                 statusurl=http://127.0.0.1:8082/server-status op monitor interval=4s",
        serves: "curl -fsS http://127.0.0.1:8082/server-status | grep -q Apache",
        breaks: "pkill -9 -f 'apach[e].conf'",
        ..plain("apache")
    },
    Row {
        needs: &["/etc/init.d/haproxy", "/usr/sbin/haproxy"],
        prepare: HAPROXY,
        config: "primitive haproxy lsb:haproxy op monitor interval=4s",
        serves: "curl -fsS http://127.0.0.1:8083/ | grep -q haproxy",
        breaks: "kill -9 $(cat /run/haproxy.pid)",
        ..plain("haproxy")
    },
    Row {
        needs: &[heartbeat!("rsyncd"), "/usr/bin/rsync"],
        prepare: RSYNCD,
        config: "primitive rsync ocf:heartbeat:rsyncd params conffile=/srv/rsyncd.conf \
                 op monitor interval=4s",
        serves: "rsync rsync://127.0.0.1:8730/data/ | grep -q page",
        // Killed outright it leaves a file that its next start refuses, and the agent does not help.
        breaks: "kill $(cat /run/lab-rsyncd.pid)",
        ..plain("rsync")
    },
    Row {
        needs: &[heartbeat!("iSCSITarget"), "/usr/sbin/tgtd"],
        prepare: "tgtd > /dev/null 2>&1; \
                  while ! tgtadm --lld iscsi --op show --mode target; do sleep 0.2; done",
        config: "primitive target ocf:heartbeat:iSCSITarget params implementation=tgt \
                 iqn=iqn.2026-11.lab:disk tid=1 portals='' op monitor interval=4s",
        serves: "tgtadm --lld iscsi --op show --mode target | grep -q iqn.2026-11.lab:disk",
        breaks: "tgtadm --lld iscsi --op delete --force --mode target --tid=1",
        ..plain("target")
    },
    Row {
        needs: &[heartbeat!("mysql"), "/usr/sbin/mariadbd"],
        prepare: concat!("name=mysql port=3307\n", include_str!("mariadb.sh")),
        config: "primitive mysql ocf:heartbeat:mysql params binary=/usr/bin/mysqld_safe \
                 config=/srv/mysql.cnf datadir=/srv/mysql pid=/run/lab-mysql/pid \
                 socket=/run/lab-mysql/socket log=/run/lab-mysql/log op monitor interval=5s",
        serves: "mysql -N -S /run/lab-mysql/socket -e 'select 6*7' | grep -q 42",
        // Its guardian would start it again.
        breaks: "pkill -9 -f 'mysqld_saf[e].*/srv/mysql.cnf'; kill -9 $(cat /run/lab-mysql/pid)",
        ..plain("mysql")
    },
    Row {
        needs: &[heartbeat!("mariadb"), "/usr/sbin/mariadbd", "/usr/bin/bc"],
        prepare: concat!("name=mariadb port=3306\n", include_str!("mariadb.sh")),
        config: "primitive mariadb ocf:heartbeat:mariadb params binary=/usr/bin/mysqld_safe \
                 config=/srv/mariadb.cnf datadir=/srv/mariadb pid=/run/lab-mariadb/pid \
                 socket=/run/lab-mariadb/socket log=/run/lab-mariadb/log \
                 node_list='node1 node2' replication_user=follower replication_passwd=secret \
                 op monitor interval=5s role=Promoted op monitor interval=6s role=Unpromoted\n\
                 clone c-mariadb mariadb meta promotable=true notify=true",
        kind: Kind::Promotable {
            follows: "mysql -S /run/lab-mariadb/socket -e 'show slave status\\G' > /tmp/slave; \
                      grep -q 'Slave_IO_Running: Yes' /tmp/slave && \
                      grep -q 'Slave_SQL_Running: Yes' /tmp/slave || { cat /tmp/slave; false; }",
        },
        serves: "test \"$(mysql -N -S /run/lab-mariadb/socket -e 'select @@read_only')\" = 0",
        breaks: "pkill -9 -f 'mysqld_saf[e].*/srv/mariadb.cnf'; kill -9 $(cat /run/lab-mariadb/pid)",
        ..plain("mariadb")
    },
    Row {
        needs: &[heartbeat!("pgsql"), "/usr/lib/postgresql"],
        prepare: PGSQL,
        config: "primitive pgsql ocf:heartbeat:pgsql params pgctl=/srv/pg/bin/pg_ctl \
                 psql=/srv/pg/bin/psql pgdata=/srv/pg/data config=/srv/pg/data/postgresql.conf \
                 socketdir=/run/lab-pg logfile=/srv/pg/log pgport=5433 op monitor interval=5s",
        serves: "/srv/pg/bin/psql -h /run/lab-pg -p 5433 -U postgres -tc 'select 6*7' template1 | \
                 grep -q 42",
        breaks: "kill -9 $(head -n 1 /srv/pg/data/postmaster.pid)",
        ..plain("pgsql")
    },
    Row {
        needs: &[heartbeat!("redis"), "/usr/bin/redis-server"],
        prepare: REDIS,
        config: "primitive redis ocf:heartbeat:redis params config=/srv/redis/conf \
                 rundir=/run/lab-redis port=6390 \
                 op monitor interval=5s role=Promoted op monitor interval=6s role=Unpromoted\n\
                 clone c-redis redis meta promotable=true notify=true",
        kind: Kind::Promotable {
            follows: "redis-cli -p 6390 info replication > /tmp/redis; \
                      grep -q master_link_status:up /tmp/redis || { cat /tmp/redis; false; }",
        },
        serves: "redis-cli -p 6390 info replication | grep -q role:master",
        breaks: "kill -9 $(cat /run/lab-redis/redis-server.pid)",
        ..plain("redis")
    },
    Row {
        needs: &[pacemaker!("Stateful")],
        config: "primitive state ocf:pacemaker:Stateful \
                 op monitor interval=4s role=Promoted op monitor interval=5s role=Unpromoted\n\
                 clone c-state state meta promotable=true",
        kind: Kind::Promotable { follows: "grep -qx Unpromoted /run/Stateful-state.state" },
        serves: "grep -qx Promoted /run/Stateful-state.state",
        breaks: "rm /run/Stateful-state.state",
        ..plain("state")
    },
    Row {
        needs: &[pacemaker!("ping")],
        config: "primitive ping ocf:pacemaker:ping params host_list=10.94.1.254 name=gateway \
                 dampen=1s op monitor interval=4s\n\
                 clone c-ping ping",
        kind: Kind::Clone,
        serves: "attrd_updater -Q -n gateway | grep \"$(hostname)\" | grep -q 'value=\"1\"'",
        breaks: "rm /run/ping-*",
        ..plain("ping")
    },
    Row {
        needs: &[heartbeat!("nfsserver"), "/usr/sbin/rpc.nfsd"],
        filesystem: Some("nfsd"),
        prepare: NFS,
        config: "primitive nfs ocf:heartbeat:nfsserver params nfsv4_only=true op monitor interval=5s",
        serves: "grep -q '[1-9]' /proc/fs/nfsd/threads",
        breaks: "rpc.nfsd 0",
        ..plain("nfs")
    },
    Row {
        needs: &[heartbeat!("exportfs"), "/usr/sbin/exportfs"],
        filesystem: Some("nfsd"),
        prepare: concat!(
            "modprobe nfsd; mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd\n\
             mkdir -p /srv/export /var/lib/nfs; : > /var/lib/nfs/etab; ",
            // What the root is on may not be fit for export.
            "mount -t tmpfs none /srv/export"
        ),
        config: "primitive export ocf:heartbeat:exportfs params clientspec=10.94.0.0/24 fsid=1 \
                 directory=/srv/export options=rw op monitor interval=5s",
        serves: "exportfs | grep -q /srv/export",
        breaks: "exportfs -u 10.94.0.0/24:/srv/export",
        ..plain("export")
    },
];

const NGINX: &str = "mkdir -p /var/log/nginx /srv/nginx; cat > /srv/nginx.conf <<END
user root;
pid /run/lab-nginx.pid;
error_log /srv/nginx/error.log;
events {}
http {
access_log off;
client_body_temp_path /srv/nginx/1; proxy_temp_path /srv/nginx/2;
fastcgi_temp_path /srv/nginx/3; uwsgi_temp_path /srv/nginx/4; scgi_temp_path /srv/nginx/5;
server { listen 127.0.0.1:8081; location / { return 200 hello; } }
}
END";

const APACHE: &str = "mkdir -p /srv/www; cat > /srv/apache.conf <<END
ServerRoot /usr/lib/apache2
ServerName localhost
PidFile /run/lab-apache.pid
Listen 127.0.0.1:8082
DefaultRuntimeDir /run
User www-data
Group www-data
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule status_module modules/mod_status.so
ErrorLog /srv/apache.log
DocumentRoot /srv/www
<Location /server-status>
SetHandler server-status
</Location>
END";

const HAPROXY: &str = "rm -f /etc/haproxy; mkdir /etc/haproxy; cat > /etc/haproxy/haproxy.cfg <<END
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend lab
  bind 127.0.0.1:8083
  http-request return status 200 content-type text/plain string haproxy
END";

const RSYNCD: &str =
    "mkdir -p /srv/rsync; echo page > /srv/rsync/page; cat > /srv/rsyncd.conf <<END
pid file = /run/lab-rsyncd.pid
port = 8730
address = 127.0.0.1
use chroot = no
[data]
path = /srv/rsync
END";

const PGSQL: &str = "mkdir -p /srv/pg /run/lab-pg; \
ln -s $(ls -d /usr/lib/postgresql/*/bin | tail -n 1) /srv/pg/bin; \
chown -R postgres: /srv/pg /run/lab-pg; \
su postgres -s /bin/sh -c '/srv/pg/bin/initdb -A trust -N -D /srv/pg/data' > /dev/null; \
echo \"unix_socket_directories='/run/lab-pg'\" >> /srv/pg/data/postgresql.conf";

/// Debian's init script asks the kernel's threads by a signal to end, which they do no longer; its
/// unit for systemd does what this does.
pub const NFS: &str = "rm -f /etc/init.d/nfs-kernel-server; \
cat > /etc/init.d/nfs-kernel-server <<'END'
#!/bin/sh
case $1 in
start) rpc.nfsd 4 && { pgrep -x rpc.mountd > /dev/null || rpc.mountd; } ;;
stop) rpc.nfsd 0 ;;
status) grep -q '[1-9]' /proc/fs/nfsd/threads || exit 3 ;;
*) exit 2 ;;
esac
END
chmod +x /etc/init.d/nfs-kernel-server
modprobe nfsd; mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
pgrep -x rpcbind > /dev/null || rpcbind -w";

const REDIS: &str = "mkdir -p /srv/redis /run/lab-redis; cat > /srv/redis/conf <<END
bind 0.0.0.0
protected-mode no
port 6390
dir /srv/redis
logfile /srv/redis/log
repl-diskless-sync-delay 0
END
chown -R redis: /srv/redis /run/lab-redis";
