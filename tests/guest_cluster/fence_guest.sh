#!/bin/bash
# Fence agent of the guests: the lab's power switch, over the control network.
action=reboot port=
while IFS='=' read -r name value; do
    case $name in
    action) action=$value ;;
    port | nodename) port=$value ;;
    esac
done

ask() { # verb node: the switch answers "ok" and what it knows
    exec 3<> /dev/tcp/@SWITCH@ || return 1
    echo "$1 $2" >&3
    read -r word rest <&3
    exec 3>&-
    echo "$rest"
    [ "$word" = ok ]
}

case $action in
metadata | meta-data)
    cat << 'END'
<?xml version="1.0" ?>
<resource-agent name="fence_guest" shortdesc="Power switch of the guest lab">
<longdesc>Switches guests off and on.</longdesc>
<parameters>
<parameter name="action" unique="0" required="0"><content type="string" default="reboot"/><shortdesc lang="en">What to do</shortdesc></parameter>
<parameter name="port" unique="0" required="0"><content type="string"/><shortdesc lang="en">The guest</shortdesc></parameter>
</parameters>
<actions>
<action name="on" automatic="0"/>
<action name="off"/>
<action name="reboot"/>
<action name="status"/>
<action name="monitor"/>
<action name="list"/>
<action name="metadata"/>
</actions>
</resource-agent>
END
    ;;
off | on) ask "$action" "$port" ;;
reboot) ask off "$port" && ask on "$port" ;;
status)
    state=$(ask status "$port") || exit 1
    [ "$state" = on ] || exit 2
    ;;
monitor) ask status node1 > /dev/null ;;
list) printf 'node1,\nnode2,\n' ;;
*) exit 1 ;;
esac
