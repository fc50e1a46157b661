"""Every service against its own OpenAPI document: whatever is sent, it answers as it says it would."""
