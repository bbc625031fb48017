"""What people see of the sync service: the Qt window and the browser page, and the texts both show. They know only `control`."""
