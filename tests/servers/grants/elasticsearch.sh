# The login with which Watchward watches Elasticsearch: it reads statistics, and nobody's documents.
# For sh, with the new login's password in a file: PASSWORD_FILE=… URL=https://localhost:9200 sh SCRIPT
# curl asks for the password of elastic; give it --cacert where the certificate is your own.
put() { curl -sS -f -u elastic -H 'Content-Type: application/json' -X PUT "$URL/$1" -d @-; echo; }
put _security/role/watchward <<END
{"cluster":["monitor","monitor_snapshot","read_slm","read_ilm"],"indices":[{"names":["*"],"privileges":["monitor","view_index_metadata"]}]}
END
put _security/user/watchward <<END
{"password":"$(cat "$PASSWORD_FILE")","roles":["watchward"]}
END
