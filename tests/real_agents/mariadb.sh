# A database server called $name on $port with a user for replication, fit to be followed.
mkdir -p /srv/$name /run/lab-$name
cat > /srv/$name.cnf <<END
[mysqld]
server_id=$(hostname | tr -dc 0-9)
port=$port
datadir=/srv/$name
log_bin=log
log_slave_updates=1
gtid_strict_mode=1
innodb_buffer_pool_size=16M
innodb_log_file_size=4M
innodb_flush_log_at_trx_commit=0
performance_schema=0
skip_name_resolve=1
END
if [ -d /srv/.database ]; then
    cp -a /srv/.database/. /srv/$name/
else
    chown mysql: /srv/$name
    mysql_install_db --no-defaults --user=mysql --datadir=/srv/$name --skip-test-db \
        --auth-root-authentication-method=normal > /dev/null
    # The first transactions are the same everywhere, as on hosts that were set up by a copy.
    mysqld --defaults-file=/srv/$name.cnf --server-id=1 --user=mysql --skip-networking \
        --socket=/tmp/socket --pid-file=/tmp/pid > /dev/null 2>&1 &
    until mysqladmin -S /tmp/socket ping > /dev/null 2>&1; do sleep 0.1; done
    mysql -S /tmp/socket -e "create user follower@'%' identified by 'secret'; \
        grant all on *.* to follower@'%' with grant option; \
        set global gtid_slave_pos=@@gtid_binlog_pos;"
    mysqladmin -S /tmp/socket shutdown
    wait
    cp -a /srv/$name /srv/.database
fi
chown -R mysql: /srv/$name /run/lab-$name
