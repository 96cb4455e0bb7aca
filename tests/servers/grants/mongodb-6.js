// The login with which Watchward watches MongoDB 6: it reads statistics, and nobody's documents.
// For mongosh as a user administrator, on the primary. It asks for the new login's password.
db.getSiblingDB("admin").createUser({
  "user": "watchward",
  "pwd": passwordPrompt(),
  "roles": [{ "role": "clusterMonitor", "db": "admin" }]
})
