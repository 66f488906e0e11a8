# shellcheck shell=bash
# Sourced by scripts/kafka: a broker as a company guards it, for `up --secured`. Certificates are made when it starts and
# lie with its data; all names and passwords are known to everybody who reads this, so it listens on loopback alone.

# The listeners, in the order of their ports: name, protocol.
secured_listeners=(SSL:SSL MTLS:SSL SASLSSL:SASL_SSL SASLPLAIN:SASL_PLAINTEXT EXPIRED:SSL FARAWAY:PLAINTEXT)

# make_certificates FOLDER: ca.pem signs server.pem (localhost) and client.pem (CN=scorer); other-ca.pem is a stranger.
# client-locked.key is client.key under the password "key-secret"; expired.pem is the server's, of yesterday.
make_certificates() {
    local name
    mkdir -p "$1"
    (
        cd "$1"
        for name in ca other-ca; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$name" \
                -addext basicConstraints=critical,CA:TRUE -keyout $name.key -out $name.pem
        done
        sign server ca localhost 30
        sign expired ca localhost -1
        sign client ca scorer 30
        sign other-client other-ca scorer 30
        openssl pkcs8 -topk8 -in client.key -out client-locked.key -passout pass:key-secret
        cat server.key server.pem >server-store.pem
        cat expired.key expired.pem >expired-store.pem
    ) >"$1/log" 2>&1 || { cat "$1/log" >&2 && return 1; }
}

# sign NAME CA COMMON_NAME DAYS
sign() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$3" -keyout "$1.key" -out "$1.csr"
    printf 'subjectAltName=DNS:%s\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$4" -extfile "$1.ext" -out "$1.pem"
}

# secured_ports PORT...: sets `secured_listen`, `secured_advertised` and `secured_protocols` for server.properties.
secured_ports() {
    local entry name
    secured_listen="" secured_advertised="" secured_protocols=""
    for entry in "${secured_listeners[@]}"; do
        name=${entry%%:*}
        secured_listen+=",$name://127.0.0.1:$1"
        # Port 1 of this machine is closed: so looks a listener whose advertised address leads nowhere.
        secured_advertised+=",$name://localhost:$([ "$name" = FARAWAY ] && printf 1 || printf '%s' "$1")"
        secured_protocols+=",$entry"
        shift
    done
}

# secured_answer FOLDER PORT...: what `up` prints, a line for each listener.
secured_answer() {
    local folder=$1 entry name
    shift
    for entry in "${secured_listeners[@]}"; do
        name=${entry%%:*}
        printf '%s=localhost:%s\n' "${name,,}" "$1"
        shift
    done
    printf 'tls=%s\n' "$folder"
}

# secured_properties FOLDER: users, certificates and rights of these listeners.
secured_properties() {
    local scram='org.apache.kafka.common.security.scram.ScramLoginModule required;'
    local plain='org.apache.kafka.common.security.plain.PlainLoginModule required' user
    for user in "${plain_users[@]}"; do plain+=" user_$user=\"secret\""; done
    plain+=';'
    cat <<PROPERTIES
ssl.keystore.type=PEM
ssl.keystore.location=$1/server-store.pem
ssl.truststore.type=PEM
ssl.truststore.location=$1/ca.pem
listener.name.mtls.ssl.client.auth=required
listener.name.mtls.ssl.principal.mapping.rules=RULE:^CN=([^,]*).*\$/\$1/,DEFAULT
listener.name.expired.ssl.keystore.location=$1/expired-store.pem
listener.name.saslssl.sasl.enabled.mechanisms=SCRAM-SHA-256,PLAIN
listener.name.saslssl.scram-sha-256.sasl.jaas.config=$scram
listener.name.saslssl.plain.sasl.jaas.config=$plain
listener.name.saslplain.sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.saslplain.scram-sha-256.sasl.jaas.config=$scram
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
PROPERTIES
}

# Users of PLAIN, each for a right that it may lack: who has which is the test's business.
plain_users=(scorer no-input blind no-group no-outputs no-review no-dead no-timeouts no-transactions)

# The user of SCRAM-SHA-256, known from the broker's first moment.
secured_user=(--add-scram 'SCRAM-SHA-256=[name=scorer,password=secret]')
