# The login with which Watchward watches OpenSearch: it reads statistics, and nobody's documents.
# For sh, with the new login's password in a file: PASSWORD_FILE=… URL=https://localhost:9200 sh SCRIPT
# curl asks for the password of admin; give it --cacert where the certificate is your own.
put() { curl -sS -f -u admin -H 'Content-Type: application/json' -X PUT "$URL/$1" -d @-; echo; }
put _plugins/_security/api/roles/watchward <<END
{"cluster_permissions":["cluster_monitor","cluster:admin/snapshot/get","cluster:admin/repository/get"],"index_permissions":[{"allowed_actions":["indices_monitor","indices:admin/mappings/get"],"index_patterns":["*"]}]}
END
put _plugins/_security/api/internalusers/watchward <<END
{"password":"$(cat "$PASSWORD_FILE")"}
END
put _plugins/_security/api/rolesmapping/watchward <<END
{"users":["watchward"]}
END
