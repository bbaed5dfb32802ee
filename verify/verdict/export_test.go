package verdict

// Hold holds a result against what its subject should have come to.
var Hold = prove
