# A real server of the service, which is on the address $1 by direct routing, and what a director
# needs to know. $2: the network of the real servers.
set -e
for where in all eth1; do
    echo 1 > /proc/sys/net/ipv4/conf/$where/arp_ignore
    echo 2 > /proc/sys/net/ipv4/conf/$where/arp_announce
done
ip addr replace $1/32 dev lo
mkdir -p /srv/web /etc/ha.d
hostname > /srv/web/index.html
printf 'events{}\nhttp{access_log off;server{listen 80;root /srv/web;}}\n' > /etc/nginx/lab.conf
pidof nginx > /dev/null || nginx -c /etc/nginx/lab.conf < /dev/null > /dev/null 2>&1
cat > /etc/ha.d/ldirectord.cf << END
checktimeout=5
checkinterval=2
autoreload=no
quiescent=no
virtual=$1:80
        real=$2.11:80 gate
        real=$2.12:80 gate
        service=http
        request="index.html"
        receive="node"
        scheduler=rr
        protocol=tcp
        checktype=negotiate
END
