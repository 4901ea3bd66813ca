# A replicated device r0 with an empty database on it, down again on both nodes at the end.
# $1: prepare | fill | down
set -e
case $1 in
prepare)
    modprobe drbd
    cat > /etc/drbd.d/r0.res << END
resource r0 {
    net { protocol C; ping-timeout 50; after-sb-0pri discard-zero-changes; }
    disk { fencing resource-and-stonith; c-plan-ahead 0; c-min-rate 0; resync-rate 50M; }
    handlers {
        fence-peer "/usr/lib/drbd/crm-fence-peer.sh";
        after-resync-target "/usr/lib/drbd/crm-unfence-peer.sh";
    }
    device /dev/drbd0; disk /dev/lab/data; meta-disk internal;
    on node1 { address $2.11:7789; }
    on node2 { address $2.12:7789; }
}
END
    cat > /etc/mysql/mariadb.conf.d/98-cluster.cnf << END
[mysqld]
bind-address=0.0.0.0
skip_name_resolve=1
END
    mkdir -p /srv/mysql
    dd if=/dev/zero of=/dev/lab/data bs=1M count=1 status=none
    drbdadm create-md --force r0 > /dev/null 2>&1
    drbdadm up r0
    ;;
fill)
    until drbdadm cstate r0 | grep -q Connected; do sleep 0.5; done
    drbdadm new-current-uuid --clear-bitmap r0
    until drbdadm dstate r0 | grep -q UpToDate/UpToDate; do sleep 0.5; done
    drbdadm primary r0
    mkfs.ext4 -qF /dev/drbd0
    mount /dev/drbd0 /srv/mysql
    rmdir /srv/mysql/lost+found
    chown mysql: /srv/mysql
    mariadb-install-db --user=mysql --datadir=/srv/mysql --skip-test-db \
        --auth-root-authentication-method=normal > /dev/null 2>&1
    # One account for a client from outside.
    printf '%s;\n' 'flush privileges' "create user client@'%'" "grant all on *.* to client@'%'" \
        'create database shop' 'create table shop.sold(thing int) engine=innodb' > /tmp/first.sql
    mariadbd --user=mysql --datadir=/srv/mysql --skip-networking --bootstrap < /tmp/first.sql \
        > /tmp/first.log 2>&1
    umount /srv/mysql
    drbdadm secondary r0
    ;;
down) drbdadm down r0 ;;
esac
