"""Attribution methods: what a prediction depends on."""
