"""Attribution methods: maps of the contribution of each input to a prediction."""
