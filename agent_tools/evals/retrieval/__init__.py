"""Search quality beside plain searches, and the memories side by side."""
