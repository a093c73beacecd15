process.stdout.write("nought\n");
