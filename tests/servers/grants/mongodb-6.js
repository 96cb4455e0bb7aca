// The login with which Watchward watches MongoDB 6: it reads statistics, and nobody's documents.
// For mongosh as a user administrator, on the primary. It asks for the new login's password.
db.getSiblingDB("admin").createUser({
  "user": "watchward",
  "pwd": passwordPrompt(),
  "roles": [{ "role": "clusterMonitor", "db": "admin" }]
})
// For the optional row pbm:
// db.getSiblingDB("admin").createRole({ "role": "pbmReader", "roles": [], "privileges": [{ "resource": { "db": "admin", "collection": "pbmAgents" }, "actions": ["find"] }, { "resource": { "db": "admin", "collection": "pbmBackups" }, "actions": ["find"] }, { "resource": { "db": "admin", "collection": "pbmConfig" }, "actions": ["find"] }, { "resource": { "db": "admin", "collection": "pbmPITRChunks" }, "actions": ["find"] }] })
// db.getSiblingDB("admin").grantRolesToUser("watchward", ["pbmReader"])
